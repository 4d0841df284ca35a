/** Parameters whose names end in such words, also in brackets (`user[password]`), or whose values hold an e-mail address. */
const SECRETS =
  /([?&][^=&?#]*(token|secret|passw(or)?d|mail|auth|session(id)?|sid|sig|otp|phone|code|key|(?==[^&#]*(@|%40)))(\]|%5D)?=)[^&#]*/gi;

/**
 * An address as it may be sent: what its query says in secret, or of a person, is `***`, and its fragment is left out (tokens of
 * sign-ins are there), unless the site's pages are told apart by it.
 */
export function masked(url: string, withFragment?: boolean): string {
  return (withFragment ? url : url.replace(/#.*/, '')).replace(SECRETS, '$1***');
}
