import fc from 'fast-check';

/** A change of some bytes. Places are counted round and round the bytes there are, so that any number is one. */
export type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bits: number }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'zero'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  /** Of JSON: one of its values becomes another, or goes. */
  | { readonly kind: 'value'; readonly at: number; readonly value: unknown }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number };

/** What parsers are known to trip over. */
const TOKENS = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ',',
    ':',
    'null',
    '""',
    '\\u0000',
    '\\ud800',
    '\ufeff',
    '\u2028',
    '\r\n\r\n',
    '%00',
    '😀',
  ],
  ...[
    '"__proto__":{"a":1},',
    '"constructor":1,',
    '"toString":null,',
    '"batch":[],',
    '"type":"track",',
    '"messageId":7,',
  ],
  ...['1e999', '-0', '9007199254740993', '0.1e-400', '2026-02-30T25:61:61Z', '275760-09-13T00:00:00.001Z'],
  ...['['.repeat(200), '{"a":'.repeat(200), '0'.repeat(400), '"a":1,'.repeat(300)],
].map((text) => new TextEncoder().encode(text));

const place = fc.nat(1_000_000);
const length = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 600 }));
const inserted = fc.oneof(fc.constantFrom(...TOKENS), fc.uint8Array({ minLength: 1, maxLength: 12 }));

export const flip: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constant('flip' as const),
  at: place,
  bits: fc.integer({ min: 1, max: 255 }),
});

const value = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    '',
    0,
    -1,
    1e300,
    true,
    [],
    {},
    ['a'],
    { a: null },
    '2026-02-30T25:61:61Z',
    'x'.repeat(40_000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('value' as const), at: place, value }) },
  flip,
  fc.record({ kind: fc.constant('cut' as const), at: place, length }),
  fc.record({ kind: fc.constant('zero' as const), at: place, length }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: inserted }),
  fc.record({ kind: fc.constant('repeat' as const), at: place, length, times: fc.integer({ min: 1, max: 20 }) }),
);

export const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

export function mutated(bytes: Buffer, changes: readonly Mutation[]): Buffer {
  return changes.reduce(changed, bytes);
}

function changed(bytes: Buffer, mutation: Mutation): Buffer {
  const at = bytes.length === 0 ? 0 : mutation.at % bytes.length;
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (mutation.kind) {
    case 'flip':
      return Buffer.concat([before, after.map((byte, index) => (index === 0 ? byte ^ mutation.bits : byte))]);
    case 'cut':
      return Buffer.concat([before, after.subarray(mutation.length)]);
    case 'zero':
      return Buffer.concat([before, after.map((byte, index) => (index < mutation.length ? 0 : byte))]);
    case 'insert':
      return Buffer.concat([before, mutation.bytes, after]);
    case 'value':
      return withValue(bytes, mutation);
    case 'repeat':
      return Buffer.concat([before, ...Array<Buffer>(mutation.times).fill(after.subarray(0, mutation.length)), after]);
  }
}

function withValue(bytes: Buffer, { at, value }: Extract<Mutation, { kind: 'value' }>): Buffer {
  let whole: unknown;
  try {
    whole = JSON.parse(bytes.toString('utf8'));
  } catch {
    // What another mutation has broken, or never was JSON, has no values.
    return bytes;
  }
  const places = placesIn(whole);
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return bytes;
  Object.assign(place.holder, { [place.name]: value });
  return Buffer.from(JSON.stringify(whole));
}

interface Place {
  readonly holder: object;
  readonly name: string;
}

function placesIn(value: unknown): readonly Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [{ holder: value, name }, ...placesIn(inner)]);
}
