import type { PageProps } from '../shell.tsx';

export function OverviewPage(_: PageProps) {
  return null;
}
