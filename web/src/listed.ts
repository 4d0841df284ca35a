import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, wordsOf } from './api.ts';

export interface Listed<Item> {
  /** Undefined until the first page came. */
  readonly items: readonly Item[] | undefined;
  readonly isMore: boolean;
  readonly isAsking: boolean;
  readonly trouble: string | undefined;
  /** Asks for the next page. */
  readonly more: () => void;
  /** Begins anew; what is there stays until the first page came. */
  readonly again: () => void;
}

/** A list of the API, read page by page as somebody asks for more. With another path it begins anew. */
export function useListed<Page extends { readonly cursor: string | null }, Item>(
  path: string,
  itemsOf: (page: Page) => readonly Item[],
): Listed<Item> {
  const [state, setState] = useState<{
    readonly items: readonly Item[] | undefined;
    readonly cursor: string | null;
    readonly isAsking: boolean;
    readonly trouble: string | undefined;
  }>({ items: undefined, cursor: null, isAsking: true, trouble: undefined });
  const underWay = useRef<AbortController>(undefined);
  const read = useRef(itemsOf);
  read.current = itemsOf;

  const load = useCallback(
    async (before: readonly Item[], after: string | null) => {
      underWay.current?.abort();
      underWay.current = new AbortController();
      const { signal } = underWay.current;
      setState((now) => ({ ...now, isAsking: true }));
      const items = [...before];
      let cursor = after;
      try {
        // A page may be empty and have a cursor all the same.
        do {
          const page: Page = await ask<Page>(withCursor(path, cursor), { signal });
          items.push(...read.current(page));
          cursor = page.cursor;
        } while (cursor !== null && items.length === before.length);
        if (!signal.aborted) setState({ items, cursor, isAsking: false, trouble: undefined });
      } catch (error) {
        if (!signal.aborted) setState((now) => ({ ...now, isAsking: false, trouble: wordsOf(error) }));
      }
    },
    [path],
  );
  const again = useCallback(() => void load([], null), [load]);
  useEffect(() => {
    again();
    return () => underWay.current?.abort();
  }, [again]);

  const { items, cursor, isAsking, trouble } = state;
  return { items, isMore: cursor !== null, isAsking, trouble, more: () => void load(items ?? [], cursor), again };
}

function withCursor(path: string, cursor: string | null): string {
  if (cursor === null) return path;
  return `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`;
}
