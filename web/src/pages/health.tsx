import type { PageProps } from '../shell.tsx';

export function HealthPage(_: PageProps) {
  return null;
}
