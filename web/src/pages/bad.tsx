import type { PageProps } from '../shell.tsx';

export function BadPage(_: PageProps) {
  return null;
}
