import type { EventPosition, EventReader, EventStore } from '../../src/store/event-store.ts';

/** What an adapter cannot do is known before its tests are: those that ask for it are skipped, and say why. */
export interface StoreTraits {
  /** A batch that is refused leaves nothing behind. Else what it has put is the same when it is put again. */
  readonly isAtomic: boolean;
  /** A snapshot sees nothing of what is written while it lasts. */
  readonly isolatesSnapshots: boolean;
  /** It can be closed and opened again. */
  readonly outlastsProcess: boolean;
}

/** A store of one adapter, and what only it knows how to do. */
export interface StoreSubject {
  readonly store: EventStore;
  readonly reader: EventReader;
  /** Closes both and opens them again. Throws when nothing outlasts the process. */
  reopen(): Promise<StoreSubject>;
  /** By hand, behind the adapter's back: an event vanishes, or lies there a second time under a new position. */
  removeByHand(position: EventPosition): void;
  doubleByHand(position: EventPosition, copy: EventPosition): void;
  /** It is said to have arrived at another time. */
  moveByHand(position: EventPosition, receivedAt: string): void;
  dispose(): Promise<void>;
}
