import type { PageProps } from '../page-props.ts';

export function BadPage(_: PageProps) {
  return null;
}
