import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { whole } from '../format.ts';

/** The first so many of a long list, and what shows the others. */
export function useShowAll<Item>(items: readonly Item[], first: number): readonly [readonly Item[], ComponentChildren] {
  const [isAll, setAll] = useState(false);
  if (isAll || items.length <= first) return [items, null];
  const button = (
    <p class="buttons">
      <button type="button" class="quiet" onClick={() => setAll(true)}>
        Show all {whole(items.length)}
      </button>
    </p>
  );
  return [items.slice(0, first), button];
}
