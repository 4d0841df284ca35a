import type { Guarantee } from './guarantee.ts';
import * as alarms from './guarantees/alarms.ts';
import * as archive from './guarantees/archive.ts';
import * as buckets from './guarantees/buckets.ts';
import * as entry from './guarantees/entry.ts';
import * as functions from './guarantees/functions.ts';
import * as keys from './guarantees/keys.ts';
import * as log from './guarantees/log.ts';
import * as network from './guarantees/network.ts';
import * as roles from './guarantees/roles.ts';
import * as store from './guarantees/store.ts';
import * as whole from './guarantees/whole.ts';

/** Each room is a file of `guarantees`, and exports guarantees alone. */
export const ROOMS: Readonly<Record<string, Readonly<Record<string, Guarantee>>>> = {
  network,
  entry,
  log,
  functions,
  roles,
  store,
  buckets,
  archive,
  keys,
  alarms,
  whole,
};

export const GUARANTEES: readonly (readonly [string, Guarantee])[] = Object.values(ROOMS).flatMap((room) =>
  Object.entries(room),
);
