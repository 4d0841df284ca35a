import { formatMetrics, type Metric } from '../query/metrics.ts';
import { type LocalState, unprocessedBytes } from './local-system.ts';

/** What /metrics says of a server on one machine. */
export function localMetrics(state: LocalState): string {
  const { counters, progress, writable, processing } = state;
  const requests = Object.entries(counters.requests).map(([status, value]) => ({ labels: { status }, value }));
  const rejected = Object.entries(counters.rejected).map(([code, value]) => ({ labels: { code }, value }));
  const one = (value: number) => [{ value }];
  const fresh = progress.freshness.summary();
  const shares = fresh === undefined ? [] : [['0.5', fresh.p50Ms] as const, ['0.99', fresh.p99Ms] as const];
  const metrics: readonly Metric[] = [
    {
      name: 'clickstream_collect_requests_total',
      type: 'counter',
      help: 'Requests to the collector answered, by HTTP status.',
      samples: requests,
    },
    {
      name: 'clickstream_collect_rejected_total',
      type: 'counter',
      help: 'Requests to the collector refused, by error code.',
      samples: rejected,
    },
    {
      name: 'clickstream_collect_events_total',
      type: 'counter',
      help: 'Events acknowledged as durable.',
      samples: one(counters.events),
    },
    {
      name: 'clickstream_collect_set_aside_total',
      type: 'counter',
      help: 'Of those, events that the collector set aside as bad.',
      samples: one(counters.setAside),
    },
    {
      name: 'clickstream_log_durable_bytes_total',
      type: 'counter',
      help: 'Bytes made durable in the log since it began.',
      samples: one(progress.durableBytes),
    },
    {
      name: 'clickstream_log_unprocessed_bytes',
      type: 'gauge',
      help: 'Bytes of the log that the processor has not applied yet.',
      samples: one(unprocessedBytes(progress)),
    },
    {
      name: 'clickstream_freshness_seconds',
      type: 'gauge',
      help: 'From the 2xx to when lists and timelines have the events, of those of the last minute; absent while none comes.',
      samples: shares.map(([quantile, ms]) => ({ labels: { quantile }, value: ms / 1_000 })),
    },
    {
      name: 'clickstream_log_writable',
      type: 'gauge',
      help: '1 while the log can be written.',
      samples: one(Number(writable)),
    },
    {
      name: 'clickstream_store_writable',
      type: 'gauge',
      help: '1 while the processor can write the store.',
      samples: one(Number(processing)),
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory of the process.',
      samples: one(process.memoryUsage.rss()),
    },
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'User and system CPU time of the process.',
      samples: one(cpuSeconds()),
    },
  ];
  return formatMetrics(metrics);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
