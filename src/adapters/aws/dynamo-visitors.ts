import { ClickstreamError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { type VisitorKey, type VisitorPut, type VisitorState, visitorText } from '../../store/event-store.ts';
import type { Condition, DynamoTable } from './dynamo-client.ts';
import { isErasedLink, readPending } from './dynamo-erasures.ts';
import {
  keyOf,
  partsOf,
  sequenceOf,
  sequenceText,
  text,
  textOf,
  VISITOR_SK,
  visitorPk,
  visitorStateOf,
} from './items.ts';

/** What is kept of visitors between events, as a batch loads and puts it. */
export class DynamoVisitors {
  readonly #state: DynamoTable;
  /** Sequences of visitors whose state an erasure emptied, by `visitorText`. */
  readonly #emptied = new Map<string, bigint>();

  constructor(state: DynamoTable) {
    this.#state = state;
  }

  /** By `visitorText`. */
  async load(keys: Iterable<VisitorKey>): Promise<ReadonlyMap<string, VisitorState>> {
    const states = await readStates(this.#state, [...keys]);
    this.#emptied.clear();
    for (const [name, { state, sequence }] of states) {
      if (state !== '') continue;
      this.#emptied.set(name, sequence);
      states.delete(name);
    }
    return states;
  }

  async put({ source, visitor, sequence, state, loaded }: VisitorPut): Promise<void> {
    const item = {
      pk: text(visitorPk({ source, visitor })),
      sk: text(VISITOR_SK),
      sequence: text(sequenceText(sequence)),
      state: text(state),
    };
    const emptied = this.#emptied.get(visitorText({ source, visitor }));
    // An erasure came after these records: they were processed before it, and this try is one that nobody waits for.
    if (emptied !== undefined && emptied >= sequence) return;
    const standing = loaded ?? emptied;
    const condition: Condition =
      standing === undefined
        ? { expression: 'attribute_not_exists(pk)' }
        : {
            expression:
              loaded === undefined ? 'attribute_not_exists(pk) OR #sequence = :loaded' : '#sequence = :loaded',
            names: { '#sequence': 'sequence' },
            values: { ':loaded': text(sequenceText(standing)) },
          };
    const result = await this.#state.put(item, condition);
    if (result.kind === 'put') return;
    // One at or past mine was written by another try of the same records.
    if (result.found !== undefined && sequenceOf(result.found) >= sequence) return;
    throw new ClickstreamError('overloaded', `visitor ${visitor} of ${source} is no longer as it was loaded`);
  }
}

/** By `visitorText`, without those that an erasure emptied. */
export async function readKept(
  table: DynamoTable,
  keys: readonly VisitorKey[],
): Promise<ReadonlyMap<string, VisitorState>> {
  const states = await readStates(table, keys);
  return new Map([...states].filter(([, { state }]) => state !== ''));
}

/** With those. */
async function readStates(table: DynamoTable, keys: readonly VisitorKey[]): Promise<Map<string, VisitorState>> {
  const names = new Map(keys.map((key) => [visitorPk(key), visitorText(key)]));
  const items = await table.getAll([...names.keys()].map((pk) => ({ pk, sk: VISITOR_SK })));
  return new Map(items.map((item) => [names.get(textOf(item, 'pk')) ?? '', visitorStateOf(item)]));
}

/** A link's key is its visitor, so that it lies there once; all of them are read to know their order, if they are not too many. */
export async function readLinked(table: DynamoTable, userId: string, limit: number): Promise<readonly VisitorKey[]> {
  const links: { readonly order: string; readonly key: VisitorKey }[] = [];
  const erased = await readPending(table);
  const found = table.query({
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': text(keyOf('link', userId)) },
    Limit: LIMITS.linksPerUserMax,
  });
  for await (const item of found) {
    if (isErasedLink(item, erased)) continue;
    const [source = '', visitor = ''] = partsOf(textOf(item, 'sk'));
    links.push({ order: textOf(item, 'order'), key: { source, visitor } });
    if (links.length === LIMITS.linksPerUserMax) break;
  }
  links.sort((a, b) => (a.order < b.order ? -1 : 1));
  return links.slice(0, limit).map(({ key }) => key);
}
