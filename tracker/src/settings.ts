import type { AutoFeature, Settings } from './tracker-api.ts';

/** How the page's tracker is set up. It is of the module, as all state of the browser's tracker: a page has one. */
export let settings: Settings;

export function setUp(given: Settings): void {
  settings = given;
}

export function wants(feature: AutoFeature): boolean {
  const features = settings.auto || 'page,links,downloads,forms,time,vitals';
  // No name of a feature is within another's, so a text does as well as a list.
  return (features as string).includes(feature);
}
