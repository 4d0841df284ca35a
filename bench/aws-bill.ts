/**
 * The bill of a month, from list prices and from what `bench/aws-cost.ts` and `bench/aws-handlers.ts` measured: `node
 * bench/aws-bill.ts` prints the tables of docs/cost.md. Nothing here was measured on AWS.
 */

/** us-east-1, in dollars, as the public pages gave them in 2025. */
const PRICES = {
  writeUnitHour: 0.00065,
  readUnitHour: 0.00013,
  millionWriteUnits: 0.625,
  millionReadUnits: 0.125,
  shardHour: 0.015,
  millionPutUnits: 0.014,
  streamHour: 0.04,
  streamGbIn: 0.08,
  streamGbOut: 0.04,
  gbSecond: 0.0000133334,
  millionRequests: 0.2,
  natHour: 0.045,
  endpointHour: 0.01,
  endpointGb: 0.01,
  balancerHour: 0.0225,
  balancerUnitHour: 0.008,
  logGb: 0.5,
  millionTraces: 5,
  metric: 0.3,
  /** Keys, secrets, alarms, the dashboard. */
  rest: 10,
};

const HOURS = 720;
const ZONES = 2;
const INTERFACE_ENDPOINTS = 3;
const SHARD_METRICS = 7;
/** Share of provisioned units in use, at which auto scaling aims (infra/lib/store.ts). */
const UTILIZATION = 0.7;
/**
 * Of the two lines that Lambda writes of each invocation, when its system log level is INFO: `platform.start` and `platform.report`,
 * with the names of this stack and a trace, by https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html.
 */
const LOG_BYTES = 616;
/** Assumed of a request and its answer besides the events. */
const HEAD_BYTES = 500;
/** A capacity unit of the load balancer, with Lambda behind it. */
const BALANCER_GB_HOUR = 0.4;

/** Of a million events. */
interface Invocations {
  readonly count: number;
  readonly gbSeconds: number;
}

/** What was measured, of one event: docs/cost.md says how and when. */
interface Processing {
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly invocations: Invocations;
}

const EVENT_BYTES = 1_033;
const PUT_UNITS = 1;

const COLLECT = {
  'one event a request': { count: 1_000_000, gbSeconds: 10_069 },
  '20 events a request': { count: 50_000, gbSeconds: 607 },
} satisfies Record<string, Invocations>;

const PROCESS = {
  /** 10,000 a minute, 10 shards. */
  'window 1 s': { writeUnits: 3.59, readUnits: 1.42, invocations: { count: 57_200, gbSeconds: 3_036 } },
  'window 2 s': { writeUnits: 3.16, readUnits: 1.17, invocations: { count: 30_000, gbSeconds: 3_229 } },
  'window 5 s': { writeUnits: 2.71, readUnits: 0.95, invocations: { count: 13_100, gbSeconds: 1_861 } },
  /** A shard of 40 at 100,000 a minute has the events and the visitors of one of 4 at 10,000. */
  '40 shards at 100,000': { writeUnits: 3.25, readUnits: 1.3, invocations: { count: 24_000, gbSeconds: 2_482 } },
} satisfies Record<string, Processing>;

interface Case {
  readonly title: string;
  readonly perMinute: number;
  readonly shards: number;
  readonly isProvisioned: boolean;
  readonly collect: Invocations;
  readonly process: Processing;
  /** Of requests that went well Lambda writes its two lines too, as it always does of batches. */
  readonly isCollectLogged: boolean;
  readonly isCollectTraced: boolean;
}

interface Term {
  readonly title: string;
  readonly dollars: number;
}

function termsOf(of: Case): readonly Term[] {
  const { perMinute, shards, isProvisioned, isCollectLogged, isCollectTraced, collect, process } = of;
  const perSecond = perMinute / 60;
  const millions = (perMinute * 60 * HOURS) / 1e6;
  const gb = (millions * EVENT_BYTES) / 1e3;
  const unitsOf = (units: number, hour: number, million: number) =>
    isProvisioned ? ((units * perSecond) / UTILIZATION) * hour * HOURS : units * millions * million;
  const lambdaOf = ({ count, gbSeconds }: Invocations) =>
    millions * gbSeconds * PRICES.gbSecond + ((millions * count) / 1e6) * PRICES.millionRequests;
  const { writeUnits, readUnits, invocations } = process;
  const logged = (isCollectLogged ? collect.count : 0) + invocations.count;
  const collectTraces = isCollectTraced ? tracesOf(collect, perSecond) : 0;
  const bodyGbHour = (perMinute * 60 * EVENT_BYTES + ((perMinute * 60 * collect.count) / 1e6) * HEAD_BYTES) / 1e9;
  return [
    { title: 'DynamoDB writes', dollars: unitsOf(writeUnits, PRICES.writeUnitHour, PRICES.millionWriteUnits) },
    { title: 'DynamoDB reads', dollars: unitsOf(readUnits, PRICES.readUnitHour, PRICES.millionReadUnits) },
    {
      title: 'Kinesis',
      dollars: isProvisioned
        ? shards * PRICES.shardHour * HOURS + millions * PUT_UNITS * PRICES.millionPutUnits
        : PRICES.streamHour * HOURS + gb * (PRICES.streamGbIn + PRICES.streamGbOut),
    },
    { title: 'Lambda: collect', dollars: lambdaOf(collect) },
    { title: 'Lambda: process', dollars: lambdaOf(invocations) },
    { title: "Lambda's own log lines", dollars: ((millions * logged * LOG_BYTES) / 1e9) * PRICES.logGb },
    { title: 'traces', dollars: collectTraces + tracesOf(invocations, perSecond) },
    {
      title: 'load balancer, NAT, endpoints',
      dollars:
        HOURS * (PRICES.balancerHour + (bodyGbHour / BALANCER_GB_HOUR) * PRICES.balancerUnitHour) +
        HOURS * ZONES * (PRICES.natHour + INTERFACE_ENDPOINTS * PRICES.endpointHour) +
        gb * PRICES.endpointGb,
    },
    { title: 'metrics of shards, keys, alarms', dollars: shards * SHARD_METRICS * PRICES.metric + PRICES.rest },
  ];
}

/** One a second, and 5 % of the others (https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html). */
function tracesOf({ count }: Invocations, eventsPerSecond: number): number {
  const perSecond = (eventsPerSecond * count) / 1e6;
  const traced = Math.min(perSecond, 1) + Math.max(0, perSecond - 1) * 0.05;
  return ((traced * HOURS * 3_600) / 1e6) * PRICES.millionTraces;
}

function table(cases: readonly Case[]): string {
  const bills = cases.map(termsOf);
  const row = (title: string, cells: readonly (string | number)[]) => `| ${title} | ${cells.join(' | ')} |\n`;
  const dollars = (value: number) => `${Math.round(value).toLocaleString('en')} $`;
  const titles = bills[0]?.map(({ title }) => title) ?? [];
  return [
    row(
      'a month',
      cases.map(({ title }) => title),
    ),
    row(
      '---',
      cases.map(() => '---'),
    ),
    ...titles.map((title, at) =>
      row(
        title,
        bills.map((bill) => dollars(bill[at]?.dollars ?? 0)),
      ),
    ),
    row(
      '**sum, without storage**',
      bills.map((bill) => `**${dollars(bill.reduce((sum, term) => sum + term.dollars, 0))}**`),
    ),
  ].join('');
}

const usual = {
  perMinute: 10_000,
  shards: 10,
  isProvisioned: true,
  isCollectLogged: false,
  isCollectTraced: true,
  collect: COLLECT['one event a request'],
  process: PROCESS['window 1 s'],
};
const large = { ...usual, perMinute: 100_000, shards: 40, process: PROCESS['40 shards at 100,000'] };
const batched = { ...usual, collect: COLLECT['20 events a request'] };
const tables = [
  [
    { ...usual, title: '10,000/min provisioned' },
    { ...usual, title: '10,000/min on demand', isProvisioned: false },
    { ...large, title: '100,000/min provisioned' },
    { ...large, title: '100,000/min on demand', isProvisioned: false },
  ],
  [
    { ...usual, title: 'before: two lines of each request', isCollectLogged: true },
    { ...usual, title: 'now: one event a request, window 1 s' },
    { ...usual, title: 'collect not traced', isCollectTraced: false },
    { ...batched, title: '20 events a request, window 1 s' },
    { ...batched, title: '20 events, window 2 s', process: PROCESS['window 2 s'] },
    { ...batched, title: '20 events, window 5 s', process: PROCESS['window 5 s'] },
  ],
];
process.stdout.write(tables.map(table).join('\n'));
