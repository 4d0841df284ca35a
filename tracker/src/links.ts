const FILE = /\.(csv|dmg|docx?|epub|exe|gz|mp[34]|msi|pdf|pptx?|rar|txt|xlsx?|zip)$/i;

/** The slice of a link element that is looked at. */
export interface Link {
  /** Empty where the link leads to no host. */
  readonly hostname: string;
  readonly pathname: string;
  hasAttribute(name: string): boolean;
}

/** The event that a click on a link is; undefined for one that stays on the site, or leads to no page (`mailto:`). */
export function linkEvent(link: Link, ownHost: string): 'File Downloaded' | 'Outbound Link Clicked' | undefined {
  if (link.hasAttribute('download') || FILE.test(link.pathname)) return 'File Downloaded';
  return link.hostname && link.hostname !== ownHost ? 'Outbound Link Clicked' : undefined;
}
