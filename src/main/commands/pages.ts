import { type ApiClient, strange } from './client.ts';

/** A list of the API that comes in pages, each asked for with the cursor of the one before. */
export interface PagedList<T> {
  readonly path: string;
  /** Where in the answer the items are. */
  readonly name: string;
  /** In words, for when they are not. */
  readonly what: string;
  readonly itemOf: (raw: unknown) => T;
  /** Where a filter may have the server look through many pages for a few items. @default all */
  readonly pagesMax?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly isLast: boolean;
}

/** With a filter a page may hold few or none and still not be the last. */
export async function* pagesOf<T>(
  client: ApiClient,
  { path, name, what, itemOf, pagesMax = Number.POSITIVE_INFINITY }: PagedList<T>,
  asked: { readonly limit: number } & Readonly<Record<string, string | number | undefined>>,
): AsyncGenerator<Page<T>> {
  let cursor: string | undefined;
  for (let pages = 0; pages < pagesMax; pages += 1) {
    const answer = await client.get(path, { ...asked, cursor });
    const items = answer[name];
    if (!Array.isArray(items)) throw strange(what, answer);
    cursor = typeof answer.cursor === 'string' ? answer.cursor : undefined;
    yield { items: items.map(itemOf), isLast: cursor === undefined };
    if (cursor === undefined) return;
  }
}

/** The first of a list, and whether there are more. */
export async function firstOf<T>(
  client: ApiClient,
  list: PagedList<T>,
  asked: Parameters<typeof pagesOf>[2],
): Promise<{ readonly items: readonly T[]; readonly more: boolean }> {
  const { limit } = asked;
  const found: T[] = [];
  let more = false;
  for await (const { items, isLast } of pagesOf(client, list, asked)) {
    found.push(...items);
    more = !isLast;
    if (found.length >= limit) break;
  }
  return { items: found.slice(0, limit), more: more || found.length > limit };
}
