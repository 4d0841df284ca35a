import { afterEach, expect, test, vi } from 'vitest';
import { ClickstreamError, ERRORS } from '../core/errors.ts';
import { countFaultsOf } from './lambda-log.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('a fault is a line of the log, and one in a metric that names the function', () => {
  const [out, error] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation(() => true),
  );
  countFaultsOf('shop-process', () => 1_764_000_000_000)('process', new ClickstreamError('overloaded', 'planted'));
  const told = JSON.parse(String(error?.mock.calls[0]?.[0])) as unknown;
  const line = { level: 'error', what: 'process', code: 'overloaded', message: 'planted' };
  expect(told).toMatchObject({ ...line, cure: ERRORS.overloaded.cure });
  expect(JSON.parse(String(out?.mock.calls[0]?.[0]))).toEqual({
    _aws: {
      Timestamp: 1_764_000_000_000,
      CloudWatchMetrics: [
        {
          Namespace: 'Clickstream',
          Dimensions: [['FunctionName']],
          Metrics: [{ Name: 'ProcessFaults', Unit: 'Count' }],
        },
      ],
    },
    FunctionName: 'shop-process',
    ProcessFaults: 1,
  });
});
