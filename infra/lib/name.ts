import type { Parameters } from './parameters.ts';

/** At most 24 characters: with `-collect` it names a target group, which may have 32. */
export function nameOf({ project, environment, suffix }: Parameters): string {
  return [project, environment, suffix].filter((part) => part !== '').join('-');
}
