import { LIMITS } from '../core/limits.ts';
import type { LogFinding } from './ledger-reading.ts';

export interface Problem {
  readonly kind:
    | 'records_lost'
    | 'record_unbalanced'
    | 'event_missing'
    | 'event_unaccounted'
    | 'event_doubled'
    | 'hour_unbalanced'
    | 'hour_differs'
    | 'totals_differ'
    | 'identities_differ'
    | 'collector_differs'
    | `log_${LogFinding['kind']}`
    | 'records_unresolved';
  readonly detail: string;
  readonly collector?: string;
  /** The first number of the gap, where there is one. */
  readonly number?: number;
  readonly lane?: string;
  readonly sequence?: bigint;
  readonly eventId?: string;
  readonly source?: string;
  /** Of arrival, in UTC: `2026-11-23T10`. */
  readonly hour?: string;
}

export class ProblemList {
  readonly first: Problem[] = [];
  count = 0;

  add(problem: Problem): void {
    this.count += 1;
    if (this.first.length < LIMITS.auditProblemsMax) this.first.push(problem);
  }
}
