import type { ErasedPlaces, Erasing, ErasureCounts } from '../../src/core/erasures.ts';
import { type Event, type Identity, identityKey, identityOf } from '../../src/core/event.ts';
import {
  type Generations,
  isKept,
  nextGeneration,
  type ViewRebuild,
  versionInForce,
  versionsRead,
} from '../../src/core/generations.ts';
import { identityChecksum } from '../../src/core/identities.ts';
import { readJson } from '../../src/core/read-json.ts';
import type { Facts, View } from '../../src/core/view.ts';
import type { RecordPosition } from '../../src/log/event-log.ts';
import {
  type Applied,
  type BadEvent,
  type BadRange,
  type BadReason,
  type DeadRecord,
  type Decision,
  type DoubledEvent,
  type EventPosition,
  type EventPut,
  type EventReader,
  type EventReads,
  type EventStore,
  type KnownEvent,
  type LaneState,
  type Link,
  type Loaded,
  type PassOver,
  type RecordNote,
  type Replay,
  type ReplayClaim,
  type ReplayNote,
  type Row,
  type RowKey,
  type RowUpdate,
  type SealedText,
  type Sealing,
  type StoredCount,
  type StoredCounts,
  type StoredEvent,
  type StoreTotals,
  type VisitorKey,
  type VisitorState,
  visitorText,
  type Witness,
} from '../../src/store/event-store.ts';
import { StoredCounting } from '../../src/store/stored-counting.ts';
import { comparePlaces, deadText, laneText, page, positionText, rowText } from './memory-lists.ts';

interface MemoryEvent {
  readonly stored: StoredEvent;
  readonly identity: Identity;
  readonly facts: string;
}

interface MemoryRow {
  readonly key: RowKey;
  readonly text: string;
}

interface MemoryErasure {
  readonly erasing: Erasing;
  readonly counts: { events: number; visitors: number; links: number; bad: number; dead: number };
  isSearched: boolean;
}

interface Rebuild {
  /** What lay in the store when it started, still to be folded. */
  rest: readonly MemoryEvent[];
  isFinished: boolean;
  folded: number;
  readonly events: number;
  readonly keptBefore: string | undefined;
}

/** The ports of the store in memory, for tests: as plain as can be, and slow. A snapshot sees what is written meanwhile. */
export class MemoryEventStore implements EventStore, EventReader {
  /** In order of arrival. */
  events: MemoryEvent[] = [];
  readonly visitors = new Map<string, VisitorState>();
  links: Link[] = [];
  readonly #rows = new Map<string, MemoryRow>();
  readonly #lanes = new Map<string, LaneState>();
  readonly #bad = new Map<string, BadEvent>();
  #badExpired = 0;
  readonly #dead = new Map<string, DeadRecord>();
  readonly #notes = new Map<string, RecordNote & RecordPosition>();
  readonly #witnesses = new Map<string, Witness>();
  readonly #rebuilds = new Map<string, Rebuild>();
  #generations: Generations = {};
  /** By lane and sequence: events that erasure or a cut-off expiry took. */
  /** One for each event. */
  #removed: StoredCount[] = [];
  #expiredBefore: string | undefined;
  /** By `visitorText`. */
  readonly #tombstones = new Map<string, string>();
  readonly #erasures: MemoryErasure[] = [];
  #sealed: SealedText | undefined;
  readonly #expiredThrough = new Map<string, bigint>();
  #put = 0;
  #expired = 0;
  #erased = 0;

  async load(lane: string, keys: Parameters<EventStore['load']>[1]): Promise<Loaded> {
    const visitors = new Map<string, VisitorState>();
    for (const text of keys.visitors.keys()) {
      const state = this.visitors.get(text);
      if (state !== undefined) visitors.set(text, state);
    }
    const erasedUntil = [...this.#tombstones.values()].sort().at(-1);
    const known = this.#known(keys.identities());
    return { lane: this.#lanes.get(lane), visitors, known, generations: this.#generations, erasedUntil };
  }

  async erasedUntil(ids: readonly VisitorKey[]): Promise<ReadonlyMap<string, string>> {
    const texts = ids.map(visitorText);
    return new Map([...this.#tombstones].filter(([text]) => texts.includes(text)));
  }

  async eraseBytes(erasing: Erasing, { bad, dead }: ErasedPlaces): Promise<void> {
    const erased = this.#erasureOf(erasing);
    for (const position of bad) {
      const found = this.#bad.get(positionText(position));
      if (found === undefined || found.payload === '') continue;
      const replay = found.replay && { ...found.replay, visitor: '', line: undefined };
      this.#bad.set(positionText(position), { ...found, detail: 'erased', payload: '', replay });
      if (erased !== undefined) erased.counts.bad += 1;
    }
    for (const place of dead) {
      const found = this.#dead.get(deadText(place));
      if (found === undefined || found.payload.length === 0) continue;
      this.#dead.set(deadText(place), { ...found, detail: 'erased', payload: new Uint8Array() });
      if (erased !== undefined) erased.counts.dead += 1;
    }
  }

  async noteErased(erasing: Erasing): Promise<void> {
    const erased = this.#erasureOf(erasing);
    if (erased !== undefined) erased.isSearched = true;
  }

  #erasureOf({ lane, sequence }: Erasing): MemoryErasure | undefined {
    return this.#erasures.find(({ erasing }) => erasing.lane === lane && erasing.sequence === sequence);
  }

  async apply(decision: Decision): Promise<Applied> {
    if (laneText(this.#lanes.get(decision.lane)) !== laneText(decision.loaded)) {
      throw new Error(`lane ${decision.lane} is no longer as it was loaded`);
    }
    const known = this.#known(decision.events.map(({ identity }) => identity));
    if (known.size > 0) return { kind: 'contradicted', known };
    for (const put of decision.visitors) {
      if (this.visitors.get(visitorText(put))?.sequence !== put.loaded) {
        throw new Error(`visitor ${put.visitor} of ${put.source} is no longer as it was loaded`);
      }
    }
    // What may throw comes before anything is changed.
    const rows = decision.rows.map((update) => this.#absorbed(update));
    for (const put of decision.events) {
      this.events.push({ stored: storedOf(put), identity: put.identity, facts: put.facts });
      this.#put += 1;
    }
    for (const put of decision.visitors) {
      this.visitors.set(visitorText(put), { sequence: put.sequence, state: put.state });
    }
    for (const { userId, source, visitor } of decision.links) {
      const has = this.links.some(
        (link) => link.userId === userId && link.source === source && link.visitor === visitor,
      );
      if (!has) this.links.push({ userId, source, visitor });
    }
    for (const row of rows) this.#rows.set(rowText(row.key), row);
    for (const bad of decision.bad) putIfAbsent(this.#bad, positionText(bad.position), bad);
    for (const dead of decision.dead) putIfAbsent(this.#dead, deadText(dead), dead);
    const { lane } = decision;
    for (const note of decision.notes) putIfAbsent(this.#notes, deadText({ ...note, lane }), { ...note, lane });
    for (const erase of decision.erase) this.#erase({ ...erase, lane });
    this.#lanes.set(lane, decision.becomes);
    return { kind: 'applied' };
  }

  async witness(witness: Witness): Promise<void> {
    const before = this.#witnesses.get(witness.collector);
    if (before === undefined || before.number < witness.number) this.#witnesses.set(witness.collector, witness);
  }

  async markRedriven(lane: string, sequence: bigint, position: RecordPosition): Promise<RecordPosition> {
    const dead = this.#dead.get(deadText({ lane, sequence }));
    if (dead === undefined) throw new Error(`no dead record is at ${lane}/${sequence}`);
    const redriven = dead.redriven ?? position;
    this.#dead.set(deadText(dead), { ...dead, redriven });
    return redriven;
  }

  async claimReplays(claims: readonly ReplayClaim[]): Promise<readonly Replay[]> {
    return claims.map(({ of, replay }) => {
      const bad = this.#bad.get(positionText(of));
      if (bad === undefined) throw new Error(`no event that was set aside is at ${positionText(of)}`);
      if (bad.payload === '') return bad.replay ?? { ...replay, visitor: '', line: undefined };
      const stands = bad.replay ?? replay;
      this.#bad.set(positionText(of), { ...bad, replay: stands });
      return stands;
    });
  }

  async noteReplays(notes: readonly ReplayNote[]): Promise<readonly RecordPosition[]> {
    return notes.map(({ of, position }) => {
      const bad = this.#bad.get(positionText(of));
      if (bad?.replay === undefined) return position;
      const stands = bad.replay.position ?? position;
      this.#bad.set(positionText(of), { ...bad, replay: { ...bad.replay, line: undefined, position: stands } });
      return stands;
    });
  }

  async expire(before: Parameters<EventStore['expire']>[0]): Promise<number> {
    return this.#expireEvents(before) + this.#expireBad(before);
  }

  #expireBad({ receivedAt, limit }: Parameters<EventStore['expire']>[0]): number {
    const inOrder = [...this.#bad.values()].sort((a, b) => comparePlaces(a.position, b.position));
    const young = inOrder.findIndex((bad) => bad.receivedAt >= receivedAt);
    const expired = inOrder.slice(0, Math.min(limit, young < 0 ? inOrder.length : young));
    for (const bad of expired) this.#bad.delete(positionText(bad.position));
    this.#badExpired += expired.length;
    return expired.length;
  }

  #expireEvents({ receivedAt, limit }: Parameters<EventStore['expire']>[0]): number {
    const young = this.events.findIndex(({ stored }) => stored.receivedAt >= receivedAt);
    const count = Math.min(limit, young < 0 ? this.events.length : young);
    for (const { stored } of this.events.splice(0, count)) {
      const { lane, sequence } = stored.position;
      this.#remove(stored);
      const isLast = !this.events.some(
        ({ stored: { position } }) => position.lane === lane && position.sequence <= sequence,
      );
      if (isLast) this.#expiredThrough.set(lane, sequence);
      else this.#expiredThrough.set(lane, sequence - 1n);
    }
    this.#removed = this.#removed.filter(({ lane, sequence }) => sequence > (this.#expiredThrough.get(lane) ?? -1n));
    this.#expired += count;
    if (count > 0 && receivedAt > (this.#expiredBefore ?? '')) this.#expiredBefore = receivedAt;
    return count;
  }

  async askRebuild(view: View): Promise<void> {
    const next = nextGeneration(
      view,
      {
        generations: this.#generations,
        lanes: [...this.#lanes.values()],
        isFinished: (version) => this.#rebuilds.get(`${view.name}@${version}`)?.isFinished === true,
      },
      Date.now(),
    );
    if (next !== undefined) this.#generations = { ...this.#generations, [view.name]: next };
  }

  async rebuild(asked: View, limit: number, passOver: PassOver = () => undefined): Promise<boolean> {
    const version = versionInForce(asked, this.#generations);
    if (version === undefined) return true;
    const view = { ...asked, version };
    const cuts = this.#takeUp(view);
    if (cuts.size === 0) return true;
    const rebuild = this.#rebuildOf(view);
    if (rebuild.isFinished) return true;
    const events = rebuild.rest.slice(0, limit);
    rebuild.rest = rebuild.rest.slice(limit);
    rebuild.folded += events.length;
    for (const { stored, facts } of events) {
      const cut = cuts.get(stored.position.lane);
      if (cut !== undefined && stored.position.sequence <= cut && this.#has(stored.position)) {
        try {
          this.#foldAnew(view, stored, { facts: readJson(facts) as Facts, keptBefore: rebuild.keptBefore });
        } catch (fault) {
          const { lane, sequence, index } = stored.position;
          passOver([{ what: `event ${lane}:${sequence}:${index}`, fault }]);
        }
      }
    }
    if (rebuild.rest.length > 0) return false;
    rebuild.isFinished = true;
    for (const [text, { key: row }] of this.#rows) {
      if (row.view === view.name && row.version < view.version) this.#rows.delete(text);
    }
    return true;
  }

  /** As it stands; one that begins takes over the rows that are kept. */
  #rebuildOf(view: View): Rebuild {
    const key = `${view.name}@${view.version}`;
    const standing = this.#rebuilds.get(key);
    if (standing !== undefined) return standing;
    const isAsked = this.#generations[view.name]?.version === view.version;
    const keptBefore = isAsked ? this.#expiredBefore : undefined;
    const events = this.events.length;
    const rebuild = { rest: [...this.events], isFinished: false, folded: 0, events, keptBefore };
    this.#rebuilds.set(key, rebuild);
    for (const { key: row, text } of [...this.#rows.values()]) {
      if (row.view !== view.name || row.version !== view.version - 1 || !isKept(row.bucket, keptBefore)) continue;
      const taken = { ...row, version: view.version, lane: 'rebuild' };
      this.#rows.set(rowText(taken), this.#absorbed({ key: taken, row: view, deltas: [view.decode(text)] }));
    }
    return rebuild;
  }

  async seal({ from, text, rows, witnesses }: Sealing): Promise<boolean> {
    if ((this.#sealed?.revision ?? 0) !== from) return false;
    this.#sealed = { revision: from + 1, text };
    for (const { key, mark } of rows) {
      if (this.#rows.get(rowText(key))?.text === mark) this.#rows.delete(rowText(key));
    }
    for (const { collector, number } of witnesses) {
      if (this.#witnesses.get(collector)?.number === number) this.#witnesses.delete(collector);
    }
    return true;
  }

  async sync(): Promise<ReadonlyMap<string, bigint>> {
    return new Map([...this.#lanes].map(([lane, { done }]) => [lane, done]));
  }

  async close(): Promise<void> {}

  snapshot<T>(read: (reads: EventReads) => Promise<T>): Promise<T> {
    return read(this.#reads);
  }

  readonly #reads: EventReads = {
    eventsOf: async (visitor, range) =>
      page(
        this.#stored().filter((event) => event.visitor === visitor),
        range,
        ({ createdAt }) => createdAt,
      ),
    events: async (range) => page(this.#stored(), range, ({ timestamp }) => timestamp),
    visitorsOf: async (userId, limit): Promise<readonly VisitorKey[]> =>
      this.links
        .filter((link) => link.userId === userId)
        .slice(0, limit)
        .map(({ source, visitor }) => ({ source, visitor })),
    visitorStates: async (keys) =>
      new Map(
        keys.flatMap((key) => {
          const state = this.visitors.get(visitorText(key));
          return state === undefined ? [] : [[visitorText(key), state]];
        }),
      ),
    rows: async ({ view, source, from, to }): Promise<readonly Row[]> => {
      const ready = this.#versionReady(view);
      const finished = [...this.#rebuilds].flatMap(([key, { isFinished }]) =>
        isFinished && key.startsWith(`${view}@`) ? [Number(key.slice(view.length + 1))] : [],
      );
      const rebuilt = finished.length === 0 ? undefined : Math.max(...finished);
      const versions = versionsRead({ ready, rebuilt, generation: this.#generations[view] });
      const isRead = ({ version, lane }: RowKey) =>
        versions.some((read) => read.version === version && (read.isWhole || lane !== 'rebuild'));
      const found = [...this.#rows.values()].filter(
        ({ key }) =>
          key.view === view &&
          isRead(key) &&
          (source === undefined || key.source === source) &&
          key.bucket >= from &&
          key.bucket < to,
      );
      return found.map((row) => ({ ...row, mark: row.text }));
    },
    sources: async (view) => {
      const rows = [...this.#rows.values()].filter(({ key }) => key.view === view);
      return [...new Set(rows.map(({ key }) => key.source))].sort();
    },
    badReasons: async (range) => this.#badIn(range).map(reasonOf),
    badAt: async (positions) =>
      positions.flatMap((position) => {
        const bad = this.#bad.get(positionText(position));
        return bad === undefined ? [] : [bad];
      }),
    dead: async (limit, after) =>
      [...this.#dead.values()]
        .sort((a, b) => comparePlaces({ ...b, index: 0 }, { ...a, index: 0 }))
        .filter((dead) => after === undefined || comparePlaces({ ...dead, index: 0 }, { ...after, index: 0 }) < 0)
        .slice(0, limit),
    deadAt: async (place) => this.#dead.get(deadText(place)),
    notesAt: async (places) => places.flatMap((place) => this.#notes.get(deadText(place)) ?? []),
    erasing: async (limit) =>
      this.#erasures.flatMap(({ erasing, isSearched }) => (isSearched ? [] : [erasing])).slice(0, limit),
    erasure: async (id): Promise<ErasureCounts | undefined> => {
      const own = this.#erasures.filter(({ erasing }) => erasing.erasure === id);
      const sum = (of: (erasure: MemoryErasure) => number) => own.reduce((total, each) => total + of(each), 0);
      if (own.length === 0) return undefined;
      return {
        ...{ applied: own.length, searching: sum(({ isSearched }) => (isSearched ? 0 : 1)) },
        ...{ events: sum(({ counts }) => counts.events), visitors: sum(({ counts }) => counts.visitors) },
        ...{ links: sum(({ counts }) => counts.links), bad: sum(({ counts }) => counts.bad) },
        dead: sum(({ counts }) => counts.dead),
      };
    },
    lanes: async () => new Map(this.#lanes),
    witnesses: async () => [...this.#witnesses.values()],
    totals: async (): Promise<StoreTotals> => ({
      events: this.#put - this.#expired - this.#erased,
      bad: this.#bad.size,
      badExpired: this.#badExpired,
      dead: this.#dead.size,
      visitors: this.visitors.size,
      expired: this.#expired,
      erased: this.#erased,
      expiredThrough: new Map(this.#expiredThrough),
      ...(this.#expiredBefore !== undefined && { expiredBefore: this.#expiredBefore }),
    }),
    rebuilds: async (): Promise<readonly ViewRebuild[]> =>
      Object.entries(this.#generations).map(([view, { version, askedAtMs }]) => {
        const rebuild = this.#rebuilds.get(`${view}@${version}`);
        if (rebuild === undefined) return { view, state: 'waiting', askedAtMs, folded: 0, events: 0 };
        const { isFinished, folded, events, keptBefore } = rebuild;
        return { view, state: isFinished ? 'finished' : 'folding', askedAtMs, folded, events, keptBefore };
      }),
    sealed: async () => this.#sealed,
    storedCounts: async (asked): Promise<StoredCounts> => {
      const counts = new StoredCounting(asked);
      for (const event of this.#stored()) counts.add(countOf(event));
      for (const removed of this.#removed) counts.add(removed);
      return counts.counts();
    },
    doubled: async (limit): Promise<readonly DoubledEvent[]> => {
      const byIdentity = new Map<string, { readonly identity: Identity; readonly positions: EventPosition[] }>();
      for (const { identity, stored } of this.events) {
        const same = byIdentity.get(identityKey(identity)) ?? { identity, positions: [] };
        same.positions.push(stored.position);
        byIdentity.set(identityKey(identity), same);
      }
      return [...byIdentity.values()].filter(({ positions }) => positions.length > 1).slice(0, limit);
    },
  };

  #badIn({ limit, after }: BadRange): readonly BadEvent[] {
    return [...this.#bad.values()]
      .sort((a, b) => comparePlaces(b.position, a.position))
      .filter(({ position }) => after === undefined || comparePlaces(position, after) < 0)
      .slice(0, limit);
  }

  #stored(): readonly StoredEvent[] {
    return this.events.map(({ stored }) => stored);
  }

  #has(position: EventPosition): boolean {
    return this.events.some(({ stored }) => positionText(stored.position) === positionText(position));
  }

  #known(identities: readonly Identity[]): ReadonlyMap<string, KnownEvent> {
    const asked = new Set(identities.map(identityKey));
    const known = new Map<string, KnownEvent>();
    for (const { identity, stored, facts } of this.events) {
      const key = identityKey(identity);
      if (asked.has(key)) known.set(key, { position: stored.position, facts });
    }
    return known;
  }

  #erase(erasing: Erasing): void {
    const { source, visitor, sequence, until } = erasing;
    const name = visitorText({ source, visitor });
    if ((this.#tombstones.get(name) ?? '') < until) this.#tombstones.set(name, until);
    const links = this.links.length;
    const isErased = ({ stored }: MemoryEvent) =>
      stored.source === source && stored.visitor === visitor && stored.position.sequence < sequence;
    const erased = this.events.filter(isErased);
    this.events = this.events.filter((event) => !isErased(event));
    for (const { stored } of erased) this.#remove(stored);
    this.#erased += erased.length;
    this.links = this.links.filter((link) => link.source !== source || link.visitor !== visitor);
    const state = this.visitors.get(visitorText({ source, visitor }));
    const isGone = state !== undefined && state.sequence < sequence;
    if (isGone) this.visitors.delete(name);
    const counts = { events: erased.length, visitors: isGone ? 1 : 0, links: links - this.links.length };
    this.#erasures.push({ erasing, counts: { ...counts, bad: 0, dead: 0 }, isSearched: false });
  }

  #remove(event: StoredEvent): void {
    this.#removed.push(countOf(event));
  }

  #takeUp(view: View): ReadonlyMap<string, bigint> {
    const key = `${view.name}@${view.version}`;
    const cuts = new Map<string, bigint>();
    if ([...this.#lanes.values()].some(({ registry }) => (registry[view.name] ?? 0) > view.version)) return cuts;
    for (const [lane, { done, registry, cuts: before }] of this.#lanes) {
      const isNew = registry[view.name] !== view.version;
      const cut = isNew ? done : before[key];
      if (cut === undefined) continue;
      cuts.set(lane, cut);
      if (isNew) {
        this.#lanes.set(lane, {
          done,
          registry: { ...registry, [view.name]: view.version },
          cuts: { ...before, [key]: cut },
        });
      }
    }
    return cuts;
  }

  #foldAnew(
    view: View,
    event: Event,
    { facts, keptBefore }: { readonly facts: Facts; readonly keptBefore: string | undefined },
  ): void {
    const at = view.at(event, facts);
    if (at === undefined) return;
    for (const bucket of view.buckets(at)) {
      if (isKept(bucket, keptBefore)) continue;
      const key = { view: view.name, version: view.version, source: event.source, bucket, lane: 'rebuild' };
      const deltas = [view.fold(view.empty(), event, facts, 0)];
      this.#rows.set(rowText(key), this.#absorbed({ key, row: view, deltas }));
    }
  }

  #absorbed({ key, row, deltas }: RowUpdate): MemoryRow {
    const before = this.#rows.get(rowText(key));
    const state = row.absorb(before === undefined ? row.empty() : row.decode(before.text), deltas, key.bucket);
    return { key, text: row.encode(state) };
  }

  #versionReady(view: string): number | undefined {
    const versions = new Set([...this.#rows.values()].map(({ key }) => (key.view === view ? key.version : -1)));
    for (const [key, { isFinished }] of this.#rebuilds) {
      if (isFinished && key.startsWith(`${view}@`)) versions.add(Number(key.slice(view.length + 1)));
    }
    return [...versions]
      .filter((version) => {
        const key = `${view}@${version}`;
        const isCut = [...this.#lanes.values()].some(({ cuts }) => cuts[key] !== undefined);
        return version >= 0 && (!isCut || this.#rebuilds.get(key)?.isFinished === true);
      })
      .sort((a, b) => b - a)[0];
  }
}

function countOf(event: StoredEvent): StoredCount {
  const { lane, sequence } = event.position;
  const { source, receivedAt } = event;
  const identities = identityChecksum(identityOf(event));
  return { lane, sequence, source, hour: receivedAt.slice(0, 13), events: 1, identities };
}

function reasonOf({ payload, replay, ...reason }: BadEvent): BadReason {
  return { ...reason, isReplayed: replay?.position !== undefined };
}

function storedOf({ position, visitor, receivedAt, facts, body }: EventPut): StoredEvent {
  const event = readJson(body) as Event;
  const { source, visitor: device } = visitor;
  return { ...event, source, receivedAt, position, visitor: device, facts: readJson(facts) as Facts };
}

function putIfAbsent<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (!map.has(key)) map.set(key, value);
}
