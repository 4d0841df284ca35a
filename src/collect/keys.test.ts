import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ClickstreamError } from '../core/errors.ts';
import { KeyRing, keyOfAuthorization, WriteKeys } from './keys.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test.each([
  ['basic user name', basic('KEY:'), 'KEY'],
  ['basic with a password', basic('KEY:secret'), 'KEY'],
  ['basic without a colon', basic('KEY'), 'KEY'],
  ['scheme in lower case', basic('KEY:').replace('Basic', 'basic'), 'KEY'],
  ['bearer', 'Bearer KEY', 'KEY'],
  ['empty basic', basic(':'), undefined],
  ['empty bearer', 'Bearer ', undefined],
  ['another scheme', 'Digest KEY', undefined],
  ['no scheme', 'KEY', undefined],
  ['none', undefined, undefined],
])('the key of an Authorization header: %s', (_, header, key) => {
  expect(keyOfAuthorization(header)).toBe(key);
});

test('without configured keys any key, or none, belongs to the default source', () => {
  const keys = new WriteKeys([]);
  expect(keys.sourceOf(undefined)).toBe('default');
  expect(keys.sourceOf('anything')).toBe('default');
});

test('a key names its source; a missing and a wrong one are told apart', () => {
  const keys = new WriteKeys([
    { source: 'web', sha256: hash('sha256', 'one') },
    { source: 'shop', sha256: hash('sha256', 'two').toUpperCase() },
    { source: 'web', sha256: hash('sha256', 'three') },
  ]);
  expect(keys.sourceOf('one')).toBe('web');
  expect(keys.sourceOf('two')).toBe('shop');
  expect(keys.sourceOf('three')).toBe('web');
  expect(keys.sourceOf(undefined)).toMatchObject({ code: 'write_key_missing', status: 401 });
  expect(keys.sourceOf('')).toMatchObject({ code: 'write_key_missing' });
  expect(keys.sourceOf('four')).toMatchObject({ code: 'write_key_wrong', status: 401 });
  expect(keys.sourceOf(hash('sha256', 'one'))).toMatchObject({ code: 'write_key_wrong' });
});

test('a digest that is none is refused at start-up, and the message does not show it', () => {
  const make = () => new KeyRing([{ name: 'web', sha256: 'plain-secret' }]);
  expect(make).toThrow(ClickstreamError);
  expect(make).toThrow(/^(?!.*plain-secret)/);
});
