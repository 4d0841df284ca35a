import type { PageProps } from '../shell.tsx';

export function EventsPage(_: PageProps) {
  return null;
}
