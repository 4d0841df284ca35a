/** How far apart the values beside a chart may be. */

const decades = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, place) => [1, 2, 5].map((part) => part * 10 ** (from + place))).flat();

/** Of what is counted. */
export const WHOLE_STEPS = decades(0, 14);
/** Of what is so many a second. */
export const RATE_STEPS = decades(-1, 14);
/** Of parts of one. */
export const SHARE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
/** Of seconds. */
export const SECONDS_STEPS = [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];
