/** Of the words known, the one that a misspelt word most likely means: at most a third of its letters (and 3) differ. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // What is this long is no misspelling, and need not be compared.
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let fewest = Math.min(3, Math.ceil(word.length / 3)) + 1;
  for (const candidate of known) {
    const differing = distance(word.toLowerCase(), candidate.toLowerCase());
    if (differing < fewest) [best, fewest] = [candidate, differing];
  }
  return best;
}

/** How many letters must be put in, taken out, changed, or swapped with the next (Damerau, 1964; optimal string alignment). */
function distance(from: string, to: string): number {
  let before: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: to.length + 1 }, (_, place) => place);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const cell = (line: readonly number[], at: number) => line[at] ?? 0;
      const changed = cell(above, column - 1) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
          ? cell(before, column - 2) + 1
          : changed;
      current.push(Math.min(changed, swapped, cell(above, column) + 1, cell(current, column - 1) + 1));
    }
    [before, above] = [above, current];
  }
  return above[to.length] ?? 0;
}
