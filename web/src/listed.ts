import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, wordsOf } from './api.ts';
import { waitMs } from './poll.ts';

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

interface State<Item> extends Pick<Listed<Item>, 'items' | 'isAsking'> {
  /** What it is of. */
  readonly path: string;
  readonly cursor: string | null;
  /** What was thrown in place of a page. */
  readonly failure: unknown;
}

const RETRY_MS = 5_000;

/**
 * A list of the API, read page by page as somebody asks for more. With another path it begins anew, with nothing. A first
 * page that failed is asked for again by itself.
 */
export function useListed<Page extends { readonly cursor: string | null }, Item>(
  path: string,
  itemsOf: (page: Page) => readonly Item[],
): Listed<Item> {
  const nothing: State<Item> = { path, items: undefined, cursor: null, isAsking: true, failure: undefined };
  const [state, setState] = useState(nothing);
  const underWay = useRef<AbortController>(undefined);
  const read = useRef(itemsOf);
  read.current = itemsOf;

  const load = useCallback(
    async (before: readonly Item[], after: string | null) => {
      underWay.current?.abort();
      underWay.current = new AbortController();
      const { signal } = underWay.current;
      setState((now) => (now.path === path ? { ...now, isAsking: true, failure: undefined } : nothing));
      const items = [...before];
      let cursor = after;
      try {
        // A page may be empty and have a cursor all the same.
        do {
          const page: Page = await ask<Page>(withCursor(path, cursor), { signal });
          items.push(...read.current(page));
          cursor = page.cursor;
        } while (cursor !== null && items.length === before.length);
        if (!signal.aborted) setState({ path, items, cursor, isAsking: false, failure: undefined });
      } catch (failure) {
        if (!signal.aborted) setState((now) => ({ ...now, isAsking: false, failure }));
      }
    },
    [path],
  );
  const again = useCallback(() => void load([], null), [load]);
  useEffect(() => {
    again();
    return () => underWay.current?.abort();
  }, [again]);

  const { items, cursor, isAsking, failure } = state.path === path ? state : nothing;
  const retryMs =
    items === undefined && failure !== undefined ? waitMs({ everyMs: RETRY_MS, tookMs: 0, failure }) : Infinity;
  useEffect(() => {
    if (!Number.isFinite(retryMs)) return undefined;
    const timer = setInterval(() => document.hidden || again(), retryMs);
    return () => clearInterval(timer);
  }, [retryMs, again]);
  const trouble = failure === undefined ? undefined : wordsOf(failure);
  return { items, isMore: cursor !== null, isAsking, trouble, more: () => void load(items ?? [], cursor), again };
}

function withCursor(path: string, cursor: string | null): string {
  if (cursor === null) return path;
  return `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`;
}
