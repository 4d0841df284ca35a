import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readJson } from './read-json.ts';

/** A text of JSON and what it says, made together and without a parser. */
interface Said {
  readonly text: string;
  readonly value: unknown;
}

const SHORT: Readonly<Record<string, string>> = {
  ...{ '"': '\\"', '\\': '\\\\', '/': '\\/', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t' },
};
const units = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('"', '\\', 'a', 'n', 'u', '0', '1', '2', '/', '\n', '\x7f', 'é', ':') },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) },
);
/** One UTF-16 unit, raw where it may be, or in one of its escapes. */
const spelled = fc.tuple(units, fc.constantFrom('raw', 'raw', 'short', 'hex')).map(([unit, spelling]): Said => {
  const hex = `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const isRaw = spelling === 'raw' && unit >= ' ' && unit !== '"' && unit !== '\\';
  return { value: unit, text: isRaw ? unit : spelling === 'hex' ? hex : (SHORT[unit] ?? hex) };
});
const string = fc.array(spelled, { maxLength: 4 }).map((parts): Said & { readonly value: string } => ({
  value: parts.map(({ value }) => value).join(''),
  text: `"${parts.map(({ text }) => text).join('')}"`,
}));
const name = fc.oneof(
  { weight: 5, arbitrary: string },
  { weight: 1, arbitrary: fc.constantFrom('a', '__proto__', '12').map((value) => ({ value, text: `"${value}"` })) },
);
const space = fc.constantFrom('', '', '', ' ', '\n\t\r ');
const { said } = fc.letrec<{ said: Said }>((tie) => ({
  said: fc.oneof(
    { depthSize: 'small' },
    string,
    fc.constantFrom(null, true, 1.5).map((value) => ({ value, text: String(value) })),
    fc.array(tie('said'), { maxLength: 4 }).map((parts) => ({
      value: parts.map(({ value }) => value),
      text: `[${parts.map(({ text }) => text).join()}]`,
    })),
    fc.array(fc.tuple(name, tie('said'), space), { maxLength: 4 }).map((members) => ({
      value: Object.fromEntries(members.map(([{ value }, inner]) => [value, inner.value])),
      text: `{${members.map(([{ text }, inner, gap]) => `${gap}${text}${gap}:${inner.text}`).join()}}`,
    })),
  ),
}));

test('every text is read as what it says, whatever was read before', () => {
  fc.assert(
    fc.property(said, ({ text, value }) => {
      const got = readJson(text);
      expect(got).toStrictEqual(value);
      // The order of members counts, too.
      expect(JSON.stringify(got)).toBe(JSON.stringify(value));
    }),
    { numRuns: 3_000 },
  );
});

test('a name is read as what it says where as much of its text was a name before', () => {
  const before = fc.string({ unit: fc.constantFrom(...'abcdefgh'), minLength: 3, maxLength: 6 });
  fc.assert(
    fc.property(before, name, said, (first, { text, value: expected }, inner) => {
      const begun = text.slice(1, 1 + expected.length);
      readJson(`{"${first}":0,${JSON.stringify(begun)}:1}`);
      const got = readJson(`{"${first}":0,${text}:${inner.text}}`);
      expect(got).toStrictEqual(Object.fromEntries([[first, 0] as const, [expected, inner.value] as const]));
    }),
    { numRuns: 1_000 },
  );
});
