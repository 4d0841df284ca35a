import { expect, test } from 'vitest';
import { createLanguageOf } from './language.ts';

const languageOf = createLanguageOf();

test.each([
  ['en', 'en'],
  ['en-GB', 'en'],
  ['en_GB', 'en'],
  ['EN', 'en'],
  [' de-DE ', 'de'],
  ['zh-Hant-TW', 'zh'],
  ['zh_CN.UTF-8', 'zh'],
  ['ca@valencia', 'ca'],
  ['de-DE-u-co-phonebk', 'de'],
  ['fil-PH', 'fil'],
  ['haw', 'haw'],
  ['iw-IL', 'he'],
  ['in_ID', 'id'],
  ['eng', 'en'],
  ['sr-Latn', 'sr'],
])('the language of %j is %s, each time it is asked', (locale, language) => {
  expect([languageOf(locale), languageOf(locale)]).toEqual([language, language]);
});

test.each([
  [undefined],
  [null],
  [''],
  [' '],
  ['C'],
  ['C.UTF-8'],
  ['POSIX'],
  ['english'],
  ['und'],
  ['zxx-Latn'],
  ['e1'],
  ['-en'],
  ['12'],
  ['日本語'],
  ['en'.repeat(50_000)],
  [`en-${'x'.repeat(100)}`],
  [7],
  [['en']],
  [{ language: 'en' }],
])('%j has no language', (locale) => {
  expect([languageOf(locale), languageOf(locale)]).toEqual([undefined, undefined]);
});
