import type { PageProps } from '../shell.tsx';

export function NowPage(_: PageProps) {
  return null;
}
