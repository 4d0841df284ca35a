const FILE = /\.(csv|dmg|docx?|epub|exe|gz|mp[34]|msi|pdf|pptx?|rar|txt|xlsx?|zip)$/i;

/** The slice of a link element that is looked at. */
export interface Link {
  /** Empty where the link leads to no host. */
  readonly hostname: string;
  readonly pathname: string;
  hasAttribute(name: string): boolean;
}

/** What a click on a link is, if that is wanted; undefined for one that stays on the site, or leads to no page (`mailto:`). */
export function linkFeature(link: Link, ownHost: string): 'downloads' | 'links' | undefined {
  // The address of an e-mail can end as a file does.
  if (link.hasAttribute('download') || (link.hostname && FILE.test(link.pathname))) return 'downloads';
  return link.hostname && link.hostname !== ownHost ? 'links' : undefined;
}
