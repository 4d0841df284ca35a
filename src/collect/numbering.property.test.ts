import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../core/limits.ts';
import { type Counted, Numbering, type NumberRange } from './numbering.ts';

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 1, max: 70 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat() }) },
);

/** What the world knows: what became of each number, and which voids an acknowledged record told. */
class Model {
  readonly acknowledged = new Set<number>();
  readonly failed = new Set<number>();
  readonly told = new Set<number>();
  next = 0;

  check(range: NumberRange): void {
    expect(range.first).toBe(this.next);
    this.next += range.count;
    expect(range.voids.length).toBeLessThanOrEqual(LIMITS.recordVoidsMax);
    for (const number of range.voids) expect(this.failed.has(number)).toBe(true);
    const known = new Set([...this.acknowledged, ...this.told, ...range.voids]);
    for (let number = 0; number <= range.ackedThrough; number += 1) expect(known.has(number)).toBe(true);
    if (range.voids.length < LIMITS.recordVoidsMax) {
      const untold = [...this.failed].filter((number) => !this.told.has(number));
      expect([...range.voids]).toEqual(untold.sort((a, b) => a - b));
    }
  }

  /** What a number stands for here: so many events, of that checksum. */
  counted(range: NumberRange): Counted {
    return this.sumOf((number) => number >= range.first && number < range.first + range.count);
  }

  /** What was acknowledged up to this number. */
  countedThrough(through: number): Counted {
    return this.sumOf((number) => number <= through && this.acknowledged.has(number));
  }

  sumOf(isCounted: (number: number) => boolean): Counted {
    const numbers = Array.from({ length: this.next }, (_, number) => number).filter(isCounted);
    return {
      events: numbers.reduce((sum, number) => sum + (number % 5), 0),
      identities: numbers.reduce((sum, number) => sum + number * 1_000, 0),
    };
  }

  settle(range: NumberRange, as: 'acknowledge' | 'fail'): void {
    for (let number = range.first; number < range.first + range.count; number += 1) {
      (as === 'acknowledge' ? this.acknowledged : this.failed).add(number);
    }
    if (as === 'acknowledge') for (const number of range.voids) this.told.add(number);
  }
}

test('ackedThrough never passes an unsettled number or an untold void, and every void is carried until it is told', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const numbering = new Numbering();
      const model = new Model();
      const outstanding: NumberRange[] = [];
      const take = (count: number) => {
        const range = numbering.take(count);
        model.check(range);
        outstanding.push(range);
      };
      for (const each of steps) {
        if (each.do === 'take') {
          take(each.count);
          continue;
        }
        const [range] = outstanding.splice(each.which % Math.max(1, outstanding.length), 1);
        if (range === undefined) continue;
        model.settle(range, each.do);
        if (each.do === 'acknowledge') numbering.acknowledge(range, model.counted(range));
        else numbering.fail(range);
        expect(numbering.witnessed.counted).toEqual(model.countedThrough(numbering.witnessed.number));
        for (let number = 0; number <= numbering.witnessed.number; number += 1) {
          expect(model.acknowledged.has(number) || model.told.has(number)).toBe(true);
        }
      }
      // Once the log works again, all that is settled becomes known.
      for (const range of outstanding.splice(0)) {
        model.settle(range, 'acknowledge');
        numbering.acknowledge(range, model.counted(range));
      }
      while (numbering.voidsWaiting > 0) {
        take(1);
        for (const range of outstanding.splice(0)) {
          model.settle(range, 'acknowledge');
          numbering.acknowledge(range, model.counted(range));
        }
      }
      expect([...model.told].sort()).toEqual([...model.failed].sort());
      expect(numbering.witnessed).toEqual({ number: model.next - 1, counted: model.countedThrough(model.next) });
      expect(numbering.take(1).ackedThrough).toBe(model.next - 1);
    }),
  );
});
