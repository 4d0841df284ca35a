/**
 * CLS as https://web.dev/articles/cls defines it: the largest sum of layout shifts in a window of at most 5 s, without a
 * second of rest in it. The function takes each shift that no input caused, and answers with CLS so far.
 */
export function layoutShifts(): (shift: { readonly startTime: number; readonly value: number }) => number {
  let first = 0;
  let last = 0;
  let sum = 0;
  let largest = 0;
  return (shift) => {
    const time = shift.startTime;
    if (!sum || time - last > 1_000 || time - first > 5_000) {
      first = time;
      sum = 0;
    }
    last = time;
    sum += shift.value;
    largest = Math.max(largest, sum);
    return largest;
  };
}
