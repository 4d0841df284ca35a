import { useEffect, useMemo, useState } from 'preact/hooks';

/** What is looked at, as the address says it after its `#`, so that it can be shared: `#/people/ada?range=7d`. */
export interface Address {
  readonly page: string;
  /** What follows the page's name, decoded; empty where nothing does. */
  readonly item: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export const FIRST_PAGE = 'now';

/** Never fails: what is no address is that of the first page. */
export function readAddress(hash: string): Address {
  const [path = '', query = ''] = split(hash.replace(/^#/, ''), '?');
  const [page = '', item = ''] = split(path.replace(/^\//, ''), '/');
  return {
    page: page === '' ? FIRST_PAGE : page,
    item: decoded(item),
    parameters: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function hrefOf({
  page,
  item = '',
  parameters = {},
}: {
  readonly page: string;
  readonly item?: string;
  readonly parameters?: Readonly<Record<string, string | undefined>>;
}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') given.set(name, value);
  }
  // Half a character, as a tracker may send one, has no place in an address.
  const path = item === '' ? `#/${page}` : `#/${page}/${encodeURIComponent(item.toWellFormed())}`;
  return given.size === 0 ? path : `${path}?${given}`;
}

/** The present address; whoever uses it is drawn anew when it changes. */
export function useAddress(): Address {
  const [hash, setHash] = useState(() => location.hash);
  useEffect(() => {
    const read = () => setHash(location.hash);
    window.addEventListener('hashchange', read);
    // An effect comes after the first picture: the address may have changed since it was drawn.
    read();
    return () => window.removeEventListener('hashchange', read);
  }, []);
  return useMemo(() => readAddress(hash), [hash]);
}

/** Goes there; with `isSame` the entry in the history is changed and none is added, as for what is typed letter by letter. */
export function go(to: Parameters<typeof hrefOf>[0], { isSame = false }: { readonly isSame?: boolean } = {}): void {
  if (!isSame) {
    location.hash = hrefOf(to);
    return;
  }
  history.replaceState(null, '', hrefOf(to));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

function split(text: string, at: string): readonly string[] {
  const place = text.indexOf(at);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
