import { describe, expect, test } from 'vitest';
import { readJson } from './read-json.ts';

/** As JSON again, in which the order of members counts. */
const read = (text: string) => JSON.stringify(readJson(text));

describe('a name with an escape is read right where earlier the beginning of its text was a name', () => {
  // Each case has a first member of its own, for the fault is of the names that followed the same ones.
  test.each([
    ['a quote', String.raw`{"a":1,"\\":1}`, String.raw`{"a":1,"\"":1}`, '{"a":1,"\\"":1}'],
    ['a line feed', String.raw`{"b":1,"\\":1}`, String.raw`{"b":1,"\n":1}`, '{"b":1,"\\n":1}'],
    ['a slash, as PHP writes it', String.raw`{"c":1,"x\\":1}`, String.raw`{"c":1,"x\/":1}`, '{"c":1,"x/":1}'],
    ['a letter', String.raw`{"d":1,"caf\\":1}`, String.raw`{"d":1,"caf\u00e9":1}`, '{"d":1,"café":1}'],
    ['a longer name', String.raw`{"e":1,"x\\u00":1}`, String.raw`{"e":1,"x\u00e9abc":1}`, '{"e":1,"xéabc":1}'],
    ['nested', String.raw`{"f":1,"\\":1}`, String.raw`[[{"f":1,"\"":[]}]]`, '[[{"f":1,"\\"":[]}]]'],
    ['space before the colon', String.raw`{"g":1,"\\":1}`, '{"g":1,"\\"" \n\r\t:1}', '{"g":1,"\\"":1}'],
    [
      'in the same text',
      '0',
      String.raw`[[{"h":1,"\\":1}],{"h":1,"\"":1}]`,
      String.raw`[[{"h":1,"\\":1}],{"h":1,"\"":1}]`,
    ],
  ])('%s', (_, before, text, expected) => {
    readJson(before);
    expect(read(text)).toBe(expected);
  });
});

describe('beside a name with a backslash', () => {
  test('the order of members stays', () => {
    expect(read(String.raw`{"z":1,"\\":2,"2":3,"a":4,"\u0031":5}`)).toBe(String.raw`{"1":5,"2":3,"z":1,"\\":2,"a":4}`);
  });

  test('of a name twice, in whatever spelling, the last one counts', () => {
    expect(read(String.raw`{"\\":1,"a":2,"\u005c":3,"\u0061":4}`)).toBe(String.raw`{"\\":3,"a":4}`);
  });

  test('__proto__ is a name as any other', () => {
    const value = readJson(String.raw`{"__proto__":{"\\":{"\u005f_proto__":1}}}`) as object;
    expect(JSON.stringify(value)).toBe(String.raw`{"__proto__":{"\\":{"__proto__":1}}}`);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('half a surrogate pair stays half', () => {
    const value = readJson(String.raw`{"\\":0,"\ud800":1,"\ud83d\ude00":1}`);
    expect(Object.keys(value as object)).toEqual(['\\', '\ud800', '😀']);
  });

  test('values stay as they are', () => {
    const value = readJson(
      String.raw` { "\\" : [ "\"\\\":\u0041" , 1e400 , -0 , -1.5E+3 , true , false , null , "" , [ ] , { } ] } `,
    );
    const values = ['"\\":A', Number.POSITIVE_INFINITY, -0, -1500, true, false, null, '', [], {}];
    expect(value).toStrictEqual({ '\\': values });
  });

  test('it may be nested deeper than the stack', () => {
    let value = readJson(`${String.raw`{"\\":[`.repeat(100_000)}${']}'.repeat(100_000)}`);
    let depth = 0;
    while (!Array.isArray(value) || value.length > 0) {
      value = Array.isArray(value) ? value[0] : (value as Record<string, unknown>)['\\'];
      depth += 1;
    }
    expect(depth).toBe(199_999);
  });
});

test('what is not JSON is refused as JSON.parse refuses it', () => {
  for (const text of ['', '{"\\"":}', '{"\\x":1}', '{"a":1', '"\\', '[1,]', '{"\\":1}']) {
    const refusal = (parse: (text: string) => unknown) => {
      try {
        return `taken: ${String(parse(text))}`;
      } catch (fault) {
        return String(fault);
      }
    };
    expect(refusal(readJson)).toBe(refusal(JSON.parse));
    expect(refusal(readJson)).toMatch(/^SyntaxError/);
  }
});
