import { expect, test } from 'vitest';
import { collectLambdaConfig, processLambdaConfig, queryLambdaConfig } from './lambda-config.ts';

const ENVIRONMENT = {
  STREAM_NAME: 'events-stream',
  EVENTS_TABLE: 'events-table',
  STATE_TABLE: 'state-table',
  WRITE_KEY_SECRET_ARN: 'arn:write-key',
  READ_TOKEN_SECRET_ARN: 'arn:read-token',
  DEAD_LETTERS_BUCKET: 'dead-letters',
};
const TABLES = { events: 'events-table', state: 'state-table' };

test('each function reads its own part of the environment', () => {
  expect(collectLambdaConfig(ENVIRONMENT)).toEqual({
    stream: 'events-stream',
    tables: TABLES,
    writeKeySecret: 'arn:write-key',
    proxies: 1,
  });
  expect(queryLambdaConfig(ENVIRONMENT)).toEqual({
    stream: 'events-stream',
    tables: TABLES,
    readTokenSecret: 'arn:read-token',
    functionName: 'query',
  });
  expect(processLambdaConfig(ENVIRONMENT)).toEqual({
    tables: TABLES,
    deadLettersBucket: 'dead-letters',
    functionName: 'process',
  });
});

test('all that is missing or empty is named', () => {
  expect(() => collectLambdaConfig({ ...ENVIRONMENT, STREAM_NAME: undefined, WRITE_KEY_SECRET_ARN: '' })).toThrow(
    'no STREAM_NAME, WRITE_KEY_SECRET_ARN',
  );
  expect(() => queryLambdaConfig({ ...ENVIRONMENT, READ_TOKEN_SECRET_ARN: '' })).toThrow('no READ_TOKEN_SECRET_ARN');
  expect(() => processLambdaConfig({})).toThrow('no EVENTS_TABLE, STATE_TABLE, DEAD_LETTERS_BUCKET');
});

test('proxies in front are told as a number', () => {
  expect(collectLambdaConfig({ ...ENVIRONMENT, PROXIES: '2' }).proxies).toBe(2);
  for (const PROXIES of ['', '0', '1.5', '11', 'two']) {
    expect(() => collectLambdaConfig({ ...ENVIRONMENT, PROXIES })).toThrow(/PROXIES is .* from 1 to 10/);
  }
});
