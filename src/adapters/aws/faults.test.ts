import {
  ConditionalCheckFailedException,
  DynamoDBServiceException,
  ProvisionedThroughputExceededException,
} from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { ClickstreamError } from '../../core/errors.ts';
import { isOutsideFault } from './faults.ts';

const $metadata = { httpStatusCode: 400 };

function refusal(name: string): Error {
  return new DynamoDBServiceException({ name, $fault: 'client', $metadata });
}

test.each<[string, unknown]>([
  ['a throttle', new ProvisionedThroughputExceededException({ message: '', $metadata })],
  ['a lost compare-and-set', new ConditionalCheckFailedException({ message: '', $metadata })],
  ['a missing permission', refusal('AccessDeniedException')],
  ['a missing table', refusal('ResourceNotFoundException')],
  ['a broken connection', Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' })],
  ['a time-out', Object.assign(new Error('late'), { name: 'TimeoutError' })],
  ['an error of ours that may pass', new ClickstreamError('overloaded')],
  ['one behind another', new Error('outer', { cause: refusal('InternalServerError') })],
])('%s lies outside the record', (_, fault) => {
  expect(isOutsideFault(fault)).toBe(true);
});

test.each<[string, unknown]>([
  ['an item that the table does not take', refusal('ValidationException')],
  ['a fault of the program', new TypeError('planted')],
  ['one that became an internal error', new ClickstreamError('internal', 'planted', { cause: new RangeError('x') })],
  ['what is no error', 'planted'],
])('%s may lie in the record', (_, fault) => {
  expect(isOutsideFault(fault)).toBe(false);
});
