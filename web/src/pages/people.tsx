import type { PageProps } from '../page-props.ts';

export function PeoplePage(_: PageProps) {
  return null;
}
