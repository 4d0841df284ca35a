/**
 * How long to wait before the next try, in ms: anything up to a bound that doubles with each try, so that those who were
 * refused together do not come back together. "Full jitter" of Marc Brooker, Exponential Backoff And Jitter (AWS
 * Architecture Blog, 2015). `tries` counts those made, from 1; `random` gives numbers in [0, 1).
 */
export function backoffMs(options: {
  readonly tries: number;
  readonly msMin: number;
  readonly msMax: number;
  readonly random: () => number;
}): number {
  const { tries, msMin, msMax, random } = options;
  return random() * Math.min(msMax, msMin * 2 ** (tries - 1));
}
