import { linkFeature } from './links.ts';
import { masked } from './masked.ts';
import { wants } from './settings.ts';
import { track } from './views.ts';

/** Clicks on links that lead away or to a file, and forms that are sent: where to, never with what. */
export function trackClicks(): void {
  // Events that a page's own code sends to the document or the window do not come by here.
  const root = document.documentElement;
  root.addEventListener('click', clicked, true);
  root.addEventListener('auxclick', clicked, true);
  root.addEventListener('submit', submitted, true);
}

function clicked(event: MouseEvent): void {
  // What was clicked on may be a part of a link; button 2 opens a menu.
  const link = (event.target as Element).closest('a');
  const feature = link && event.button < 2 && linkFeature(link, location.hostname);
  if (!feature || !wants(feature)) return;
  track(feature === 'links' ? 'Outbound Link Clicked' : 'File Downloaded', { href: masked(link.href) });
}

function submitted(event: Event): void {
  const properties: Record<string, string> = {};
  for (const attribute of ['id', 'name', 'action']) {
    // Not `form.name` and the like: a field of that name stands before it.
    const value = (event.target as Element).getAttribute(attribute);
    if (value) properties[attribute] = masked(value);
  }
  if (wants('forms')) track('Form Submitted', properties);
}
