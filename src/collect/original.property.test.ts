import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementTexts } from './original.ts';

test('each element comes out as the text it went in as', () => {
  const space = fc.constantFrom('', ' ', '\n', '\t \r');
  fc.assert(
    fc.property(
      fc.array(fc.json({ maxDepth: 4 })),
      fc.array(fc.tuple(fc.string(), fc.json({ maxDepth: 2 }))),
      space,
      (elements, others, gap) => {
        const members = others
          .filter(([key]) => key !== 'batch')
          .map(([key, value]) => `${JSON.stringify(key)}${gap}:${gap}${value}${gap}`);
        const batch = `"b\\u0061tch"${gap}:${gap}[${gap}${elements.join(`${gap},${gap}`)}${gap}]${gap}`;
        members.splice(members.length / 2, 0, batch);
        const text = `${gap}{${gap}${members.join(`,${gap}`)}}${gap}`;
        JSON.parse(text);
        expect(elementTexts(text, 'batch')).toEqual(elements);
      },
    ),
  );
});

test.each([
  ['digits that a number cannot hold', '12345678901234567890.10'],
  ['doubled keys', '{"a":1,"a":2}'],
  ['spaces', '{ "a" :\n[ ] }'],
  ['quotes and backslashes', '"\\"]\\\\"'],
])('%s are kept', (_, element) => {
  expect(elementTexts(`{"x":["batch"],"batch":[${element},1]}`, 'batch')).toEqual([element, '1']);
});

test('of two members of the name the last counts', () => {
  expect(elementTexts('{"batch":[1],"batch":[2,3]}', 'batch')).toEqual(['2', '3']);
});

test('text nested deeper than the stack is no trouble', () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  expect(elementTexts(`{"batch":[${deep}]}`, 'batch')).toEqual([deep]);
});
