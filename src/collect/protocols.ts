import type { Protocol } from './protocol.ts';
import { segment } from './protocols/segment.ts';

/** Every protocol that the collector speaks. */
export const PROTOCOLS: readonly Protocol[] = [segment];
