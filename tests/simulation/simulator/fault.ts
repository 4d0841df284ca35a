import type { View } from '../../../src/core/view.ts';
import { VIEWS } from '../../../src/process/views/registry.ts';

/** A fault of the core that is mended midway: folding an event of one type throws. So its records become dead, and are put back later. */
export class Fault {
  #isMended = false;

  readonly views: readonly View[] = VIEWS.map((view) => ({
    ...view,
    fold: (state, event, facts, order) => {
      if (event.eventType === 'Poison' && !this.#isMended)
        throw new Error('a fault of the core, planted by the simulator');
      return view.fold(state, event, facts, order);
    },
  }));

  mend(isMended = true): void {
    this.#isMended = isMended;
  }
}
