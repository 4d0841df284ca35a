import { expect, test } from 'vitest';
import { formatMetrics } from './metrics.ts';

test('metrics are in the text format, escaped', () => {
  const text = formatMetrics([
    { name: 'clickstream_events_total', help: 'Events,\nand \\ "quotes".', type: 'counter', samples: [{ value: 12 }] },
    {
      ...{ name: 'clickstream_lag_bytes', help: 'Unprocessed.', type: 'gauge' },
      samples: [
        { value: 0.5, labels: { lane: 'a"b\\c\nd', source: 'shop' } },
        { value: Number.POSITIVE_INFINITY, labels: {} },
      ],
    },
  ]);
  expect(text).toBe(
    [
      '# HELP clickstream_events_total Events,\\nand \\\\ "quotes".',
      '# TYPE clickstream_events_total counter',
      'clickstream_events_total 12',
      '# HELP clickstream_lag_bytes Unprocessed.',
      '# TYPE clickstream_lag_bytes gauge',
      'clickstream_lag_bytes{lane="a\\"b\\\\c\\nd",source="shop"} 0.5',
      'clickstream_lag_bytes +Inf',
      '',
    ].join('\n'),
  );
});

test('a name that the format does not allow is refused', () => {
  const metric = { help: '', type: 'gauge', samples: [] } as const;
  expect(() => formatMetrics([{ ...metric, name: 'two words' }])).toThrow(/no name of a metric/);
  expect(() => formatMetrics([{ ...metric, name: 'x', samples: [{ value: 1, labels: { 'a-b': '' } }] }])).toThrow(
    /no name of a label/,
  );
});
