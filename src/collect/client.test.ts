import { expect, test } from 'vitest';
import { clientOf, withClient } from './client.ts';

const socket = (remoteAddress: string | undefined) => ({ remoteAddress }) as Parameters<typeof clientOf>[0]['socket'];

test.each<[string, string | undefined, number, string | undefined]>([
  ['no proxy', undefined, 0, '192.0.2.0'],
  ['no proxy, and a header that the client made up', '203.0.113.7', 0, '192.0.2.0'],
  ['one proxy', '203.0.113.7', 1, '203.0.113.0'],
  ['one proxy, and a header that the client made up', '8.8.8.8, 203.0.113.7', 1, '203.0.113.0'],
  ['two proxies', '8.8.8.8,203.0.113.7, 10.0.0.1', 2, '203.0.113.0'],
  ['behind the outer of two proxies', '203.0.113.7', 2, '203.0.113.0'],
  ['a request that no proxy passed on', undefined, 1, '192.0.2.0'],
  ['a port', '203.0.113.7:51234', 1, '203.0.113.0'],
  ['IPv6 with a port', '[2001:db8:1:2::3]:51234', 1, '2001:db8:1::'],
  ['what is no address', 'unknown', 1, undefined],
  ['nothing', '', 1, undefined],
])('the address of a client: %s', (_, forwarded, proxies, ip) => {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  expect(clientOf({ headers, socket: socket('192.0.2.9') }, proxies).ip).toBe(ip);
});

test('a socket that is closed has no address', () => {
  expect(clientOf({ headers: {}, socket: socket(undefined) }, 0)).toEqual({
    ...{ address: undefined, ip: undefined, userAgent: undefined },
  });
});

test('the whole address is the one that is truncated', () => {
  const headers = { 'x-forwarded-for': '8.8.8.8, 203.0.113.7', 'user-agent': 'Browser/1' };
  const client = clientOf({ headers, socket: socket('192.0.2.9') }, 1);
  expect(client).toEqual({ address: ' 203.0.113.7', ip: '203.0.113.0', userAgent: 'Browser/1' });
  expect(withClient({}, client)).toEqual({ ip: '203.0.113.0', userAgent: 'Browser/1' });
});

const BROWSER = { ip: '192.0.2.0', userAgent: 'Browser/1' };

test.each<[string, unknown, unknown, unknown]>([
  ['nothing', {}, {}, BROWSER],
  ['an address', { ip: '203.0.113.7' }, { ip: '203.0.113.0' }, { ip: '203.0.113.0', userAgent: 'Browser/1' }],
  ['a user agent', { userAgent: 'Own/1' }, { userAgent: 'Own/1' }, { ip: '192.0.2.0', userAgent: 'Own/1' }],
  ['what is no address', { ip: 'home', a: 1 }, { a: 1 }, { a: 1, userAgent: 'Browser/1' }],
  ['null for both', { ip: null, userAgent: null }, { userAgent: null }, { userAgent: null }],
  ['an address that is a number', { ip: 3_405_803_783 }, {}, { userAgent: 'Browser/1' }],
  ['no object', 'text', 'text', 'text'],
])('a context that has %s, of a server and of a browser', (_, context, ofServer, ofBrowser) => {
  expect(withClient(context, undefined)).toEqual(ofServer);
  expect(withClient(context, BROWSER)).toEqual(ofBrowser);
});

test('a browser that tells nothing fills nothing', () => {
  expect(withClient({ a: 1 }, { ip: undefined, userAgent: undefined })).toEqual({ a: 1 });
});
