import type { PageProps } from '../shell.tsx';

export function PeoplePage(_: PageProps) {
  return null;
}
