import { layoutShifts } from './layout-shifts.ts';

/** Milliseconds, but CLS, which is a sum of shares of the screen. What the browser does not measure is absent. */
export type WebVitals = {
  TTFB?: number;
  FCP?: number;
  LCP?: number;
  CLS?: number;
  /** The slowest interaction. (Of pages with more than 50 of them INP by its definition leaves the slowest out.) */
  INP?: number;
};

/** The fields that are read of entries of all types; not all are in TypeScript's DOM. */
interface Entry extends PerformanceEntry {
  readonly value: number;
  readonly hadRecentInput: boolean;
  readonly interactionId: number;
  readonly responseStart: number;
}

/** Starts measuring: what is answered with grows. Older browsers measure less, or nothing. */
export function observeVitals(): WebVitals {
  const vitals: WebVitals = {};
  const observe = (type: string, take: (entry: Entry) => void) => {
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) take(entry as Entry);
    });
    const isSupported = PerformanceObserver.supportedEntryTypes.includes(type);
    // Interactions, unless this is asked for, are told of when they are slow, so that no page would seem fast.
    const durationThreshold = 16;
    if (isSupported) observer.observe({ type, buffered: true, durationThreshold } as PerformanceObserverInit);
    return isSupported;
  };
  try {
    observe('navigation', (entry) => {
      vitals.TTFB = Math.round(entry.responseStart);
    });
    observe('paint', (entry) => {
      // The other paint comes first.
      vitals.FCP = Math.round(entry.startTime);
    });
    observe('largest-contentful-paint', (entry) => {
      vitals.LCP = Math.round(entry.startTime);
    });
    observe('event', (entry) => {
      if (entry.interactionId) vitals.INP = Math.max(vitals.INP || 0, entry.duration);
    });
    const shift = layoutShifts();
    const seesShifts = observe('layout-shift', (entry) => {
      if (!entry.hadRecentInput) vitals.CLS = shift(entry);
    });
    // A page without any shift has the best CLS there is.
    if (seesShifts) vitals.CLS = 0;
  } catch {
    // There is no such thing, or an older one.
  }
  return vitals;
}
