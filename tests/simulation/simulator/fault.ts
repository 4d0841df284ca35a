import type { View } from '../../../src/core/view.ts';
import { VIEWS } from '../../../src/process/views/registry.ts';

const FAULTY: readonly View[] = VIEWS.map((view) => ({
  ...view,
  fold: (state, event, facts, order) => {
    if (event.eventType === 'Poison') throw new Error('a fault of the core, planted by the simulator');
    return view.fold(state, event, facts, order);
  },
}));

/** A fault of the core that is mended midway: folding an event of one type throws. So its records become dead, and are put back later. */
export class Fault {
  #isMended = false;

  /** Of who starts now: what is under way goes on with those that it has. */
  get views(): readonly View[] {
    return this.#isMended ? VIEWS : FAULTY;
  }

  mend(isMended = true): void {
    this.#isMended = isMended;
  }
}
