import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeReceipt, encodeReceipt, type Receipt } from './receipt.ts';

const kinesisSequence = fc.bigInt({ min: 49n * 10n ** 54n, max: 50n * 10n ** 54n - 1n });
const position = fc.record({
  lane: fc.oneof(fc.constantFrom('local', 'shardId-000000000003'), fc.string({ minLength: 1, maxLength: 12 })),
  sequence: fc.oneof(fc.bigInt({ min: 0n, max: 50n }), kinesisSequence),
});
const run = fc
  .tuple(position, fc.integer({ min: 1, max: 40 }))
  .map(([{ lane, sequence }, count]) =>
    Array.from({ length: count }, (_, index) => ({ lane, sequence: sequence + BigInt(index) })),
  );
const receipt: fc.Arbitrary<Receipt> = fc
  .record({
    collector: fc.string({ minLength: 1, maxLength: 36 }).filter((text) => !text.includes('.') && text.isWellFormed()),
    number: fc.maxSafeNat(),
    receivedAtSeconds: fc.integer({ min: 0, max: 4_000_000_000 }),
    positions: fc.array(run, { minLength: 1, maxLength: 8 }).map((runs) => runs.flat()),
    count: fc.array(fc.constantFrom(1, 1, 2, 2_000), { minLength: 1, maxLength: 9 }),
  })
  .map(({ count, ...given }) => ({
    ...given,
    counts: given.positions.map((_, index) => count[index % count.length] ?? 1),
  }))
  .filter(({ positions }) => positions.every(({ lane }) => lane.isWellFormed() && !/[.~:]/.test(lane)));

test('an id says what it was made of, in characters that a URL and a header take as they are', () => {
  fc.assert(
    fc.property(receipt, (given) => {
      const id = encodeReceipt(given) as string;
      expect(decodeReceipt(id)).toEqual(given);
      expect(id).toMatch(/^[\w.~:%!'()*-]+$/);
    }),
    { numRuns: 300 },
  );
});

test('what is mistyped is no id: never a crash, never another receipt', () => {
  fc.assert(
    fc.property(receipt, fc.nat(), fc.string({ maxLength: 3 }), fc.nat(3), (given, at, put, gone) => {
      const id = encodeReceipt(given) as string;
      const place = at % (id.length + 1);
      const changed = id.slice(0, place) + put + id.slice(place + gone);
      if (changed !== id) expect(decodeReceipt(changed)).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'%F0z9_~:.-l') }), (text) => {
      expect(decodeReceipt(text)).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
  for (const text of [
    '',
    '.',
    'a.b.c.d.e.f',
    '%E0%A4%A.0.0.1.local:0.0',
    'a.0.0.1_zzzz.local:0_zzzz.0',
    'x'.repeat(10_000),
  ]) {
    expect(decodeReceipt(text)).toBeUndefined();
  }
});

test('a time that no clock of ours tells is no id', () => {
  const of = (receivedAtSeconds: number) => {
    const positions = [{ lane: 'local', sequence: 5n }];
    return encodeReceipt({ collector: 'c', number: 0, receivedAtSeconds, counts: [1], positions }) ?? '';
  };
  const last = Date.parse('9999-12-31T23:59:59.000Z') / 1_000;
  expect(decodeReceipt(of(last))).toMatchObject({ receivedAtSeconds: last });
  for (const seconds of [last + 1, 1e13, 2 ** 80]) expect(decodeReceipt(of(seconds)), `${seconds}`).toBeUndefined();
});

test('there is one way to write it', () => {
  const lies = { lane: 'local', sequence: 5n };
  const id = encodeReceipt({
    collector: 'c',
    number: 0,
    receivedAtSeconds: 1,
    counts: [1, 1],
    positions: [lies, { ...lies, sequence: 6n }],
  });
  expect(id).toMatch(/^c\.0\.1\.1_2\.local:5_2\.\w+$/);
  for (const [part, other] of [
    ['.0.', '.00.'],
    ['1_2', '1~1'],
    ['1_2', '1_02'],
    ['5_2', '5~1'],
    ['5_2', '5~local:1'],
    ['c.', '%63.'],
  ] as const) {
    expect(decodeReceipt((id ?? '').replace(part, other)), other).toBeUndefined();
  }
});

test('two thousand records of one machine take no more than one; of Kinesis those that fit', () => {
  const of = (lane: string, first: bigint, step: bigint, count: number) => ({
    ...{ collector: '0df1d27ff4781575', number: 12_345, receivedAtSeconds: 1_795_000_000 },
    counts: Array.from({ length: count }, () => 1),
    positions: Array.from({ length: count }, (_, index) => ({ lane, sequence: first + step * BigInt(index) })),
  });
  expect(encodeReceipt(of('local', 1_000_000n, 1n, 1))?.length).toBeLessThan(60);
  expect(encodeReceipt(of('local', 1_000_000n, 1n, 2_000))?.length).toBeLessThan(65);
  const first = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898n;
  const step = 2n ** 70n + 12_345n;
  expect(encodeReceipt(of('shardId-000000000003', first, step, 100))?.length).toBeLessThan(1_700);
  expect(encodeReceipt(of('shardId-000000000003', first, step, 2_000))).toBeUndefined();
});
