import type { Template } from './template.ts';

/** What the template must keep to, and faults that must be found: a check that was never seen to fail shows nothing. */
export interface Guarantee {
  /** Says where it does not hold. Pure. */
  readonly problems: (template: Template) => readonly string[];
  /** By what is wrong, each planted in a copy of the template. */
  readonly faults: Readonly<Record<string, Plant>>;
  /** The one stack that it is about, with a fault as well as without. @default all, with faults in the one by default */
  readonly onlyOf?: 'with everything on';
}

type Plant = (template: Template) => void;

// biome-ignore lint/suspicious/noExplicitAny: as in a template
export type Statement = any;
