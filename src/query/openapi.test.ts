import { expect, test } from 'vitest';
import { ERRORS } from '../core/errors.ts';
import { type Operation, openApiDocument } from './openapi.ts';
import { described, integer } from './parameters.ts';

const operation: Operation = {
  method: 'get',
  path: '/things/{number}',
  name: 'thing',
  tag: 'read',
  summary: 'A thing',
  open: 'to readers',
  inPath: { number: integer({ min: 1, max: 9 }) },
  parameters: { limit: described('How many.', integer({ min: 1, max: 5 })) },
  answers: { 200: { description: 'It.', type: 'application/json', schema: { type: 'object' } } },
  errors: ['not_found', 'query_unavailable'],
};

function documented(of: Operation) {
  const { paths } = openApiDocument([of]) as unknown as {
    readonly paths: Record<string, Record<string, { parameters: object[]; responses: Record<string, object> }>>;
  };
  const found = paths[of.path]?.[of.method];
  if (found === undefined) throw new Error('the operation is not in the document');
  return found;
}

test('parameters are told by what reads them', () => {
  expect(documented(operation).parameters).toEqual([
    {
      ...{ name: 'number', in: 'path', required: true, description: 'Must be an integer from 1 to 9.' },
      schema: { type: 'integer', minimum: 1, maximum: 9 },
    },
    {
      ...{ name: 'limit', in: 'query', required: false, description: 'How many. Must be an integer from 1 to 5.' },
      schema: { type: 'integer', minimum: 1, maximum: 5 },
    },
  ]);
});

test('every error is under its status, with its code: of the operation, of who may ask, and of the connection', () => {
  const { responses } = documented(operation);
  for (const code of ['not_found', 'query_unavailable', 'read_token_wrong', 'request_timeout', 'internal'] as const) {
    expect(JSON.stringify(responses[ERRORS[code].status])).toContain(`"${code}"`);
  }
  expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '408', '431', '500', '503']);
});

test('what each code means, and its cure, is there for who shows a code to people', () => {
  const { 'x-errors': words } = openApiDocument([operation]) as unknown as { readonly 'x-errors': typeof ERRORS };
  expect(words.overloaded).toEqual(ERRORS.overloaded);
  expect(Object.keys(words)).toEqual(Object.keys(ERRORS));
});

test('trackers are told of errors in their own form', () => {
  const { responses } = documented({ ...operation, open: 'to trackers', errors: ['body_not_json'] });
  expect(JSON.stringify(responses)).not.toContain('application/problem+json');
  expect(JSON.stringify(responses['400'])).toContain('"body_not_json"');
});
