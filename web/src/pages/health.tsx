import type { PageProps } from '../page-props.ts';

export function HealthPage(_: PageProps) {
  return null;
}
