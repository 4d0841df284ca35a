import type { PageProps } from '../page-props.ts';

export function EventsPage(_: PageProps) {
  return null;
}
