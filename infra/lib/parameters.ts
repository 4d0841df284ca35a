import { LIMITS } from '../../src/core/limits.ts';
import { PREFIX_LISTS, type PrefixLists } from './prefix-lists.ts';

/** Auto scaling keeps the capacity between the two. */
export interface Capacity {
  readonly min: number;
  readonly max: number;
}

/** What a deployment may choose. Each is `-c name=value`; docs/deploy.md has the same table, and a test compares them. */
export interface Parameters {
  readonly region: string;
  readonly project: string;
  readonly environment: string;
  readonly suffix: string;
  readonly vpcCidr: string;
  /** Names; none means the first two that the region has. */
  readonly availabilityZones: readonly string[];
  readonly clientCidrs: readonly string[];
  readonly clientPrefixLists: readonly string[];
  /** Those before the load balancer, and the load balancer itself. */
  readonly proxies: number;
  readonly egressCidrs: readonly string[];
  readonly prefixLists: PrefixLists;
  readonly certificateArn: string | undefined;
  readonly streamMode: 'provisioned' | 'on-demand';
  readonly shardCount: number;
  readonly streamRetentionHours: number;
  readonly batchSize: number;
  readonly batchWindowSeconds: number;
  /** Undefined means without limit: the record's age is the limit. */
  readonly retries: number | undefined;
  readonly bisect: boolean;
  readonly maximumAgeHours: number;
  /** Undefined means none is reserved. */
  readonly reservedConcurrency: number | undefined;
  readonly tableMode: 'provisioned' | 'on-demand';
  readonly eventsRead: Capacity;
  readonly eventsWrite: Capacity;
  readonly indexRead: Capacity;
  readonly indexWrite: Capacity;
  readonly stateRead: Capacity;
  readonly stateWrite: Capacity;
  readonly logRetentionDays: number;
  readonly accessLogRetentionDays: number;
  readonly deadLetterRetentionDays: number;
  readonly archive: boolean;
  readonly archiveRetentionDays: number;
  readonly auditMinutes: number;
  readonly alarmEmail: string | undefined;
  readonly deleteData: boolean;
  /** Each parameter as it is written on a command line, defaults too. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Under this name the template's metadata has the texts. */
export const PARAMETERS_OF_STACK = 'ClickstreamParameters';

/** How a parameter is read from text. Throws a text that says what is allowed. */
interface Parameter<T> {
  readonly fallback: string;
  readonly read: (value: string) => T;
  /** For docs/deploy.md. */
  readonly meaning: string;
}

/** Retentions that CloudWatch Logs takes (PutRetentionPolicy). */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
];

const PARAMETERS = {
  region: {
    fallback: 'us-east-1',
    read: matching(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region, as eu-central-1'),
    meaning: 'the one region; without it that of the AWS profile, else the default',
  },
  project: {
    fallback: 'clickstream',
    read: matching(/^[a-z][a-z0-9]{1,11}$/, '2 to 12 lower-case letters and digits, a letter first'),
    meaning: 'in the names of the stack, of functions, alarms and target groups, and a tag on everything',
  },
  environment: {
    fallback: 'dev',
    read: matching(/^[a-z][a-z0-9]{1,5}$/, '2 to 6 lower-case letters and digits, a letter first'),
    meaning: 'dev, test, prod, …: in names, and a tag',
  },
  suffix: {
    fallback: '',
    read: matching(/^[a-z0-9]{0,4}$/, 'up to 4 lower-case letters and digits'),
    meaning: 'for several stacks of one environment in one account: in names, and a tag',
  },
  vpcCidr: {
    fallback: '10.40.0.0/16',
    read: vpcCidr,
    meaning: 'addresses of the VPC, /16 to /24, private ones',
  },
  availabilityZones: {
    fallback: '',
    read: zones,
    meaning: '2 to 4 names, with commas; empty means the first two that the region has',
  },
  clientCidrs: {
    fallback: '',
    read: list(cidr),
    meaning: 'who may reach the load balancer, with commas; empty means the VPC alone',
  },
  clientPrefixLists: {
    fallback: '',
    read: list(prefixList),
    meaning: 'prefix lists that may reach the load balancer, as that of CloudFront',
  },
  proxies: {
    fallback: '1',
    read: whole(1, LIMITS.proxiesMax),
    meaning: 'reverse proxies that a browser passes, the load balancer too; 2 behind CloudFront',
  },
  egressCidrs: {
    fallback: '',
    read: list(cidr),
    meaning: 'where functions may connect to through the NAT gateway, on port 443',
  },
  dynamodbPrefixList: {
    fallback: '',
    read: optional(prefixList),
    meaning: 'of the gateway endpoint; needed in a region that infra/lib/prefix-lists.ts does not have',
  },
  s3PrefixList: {
    fallback: '',
    read: optional(prefixList),
    meaning: 'the same for S3',
  },
  certificateArn: {
    fallback: '',
    read: optional(
      matching(/^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[0-9a-f-]{36}$/, 'the ARN of a certificate in ACM'),
    ),
    meaning: 'turns HTTPS on; port 80 then only redirects GET and HEAD',
  },
  streamMode: {
    fallback: 'provisioned',
    read: oneOf<'provisioned' | 'on-demand'>(['provisioned', 'on-demand']),
    meaning: 'capacity of the stream: provisioned or on-demand',
  },
  shardCount: {
    fallback: '10',
    read: whole(1, 500),
    meaning: 'shards of a provisioned stream',
  },
  streamRetentionHours: {
    fallback: '24',
    read: whole(24, 8760),
    meaning: 'how long the stream holds records',
  },
  batchSize: {
    fallback: '100',
    read: whole(1, 10_000),
    meaning: 'records that the processor is given at once, at most',
  },
  batchWindowSeconds: {
    fallback: '1',
    read: whole(0, 300),
    meaning: 'how long a batch is gathered: more is cheaper, and later',
  },
  retries: {
    fallback: 'unlimited',
    read: orElse('unlimited', whole(0, 10_000)),
    meaning: 'of a batch that failed; with a limit, a long fault sends good records to the dead letters',
  },
  bisect: {
    fallback: 'on',
    read: onOff,
    meaning:
      'a batch that failed is halved; off: a record that ends the function holds its batch up, and takes it along to the dead letters',
  },
  maximumAgeHours: {
    fallback: '20',
    read: whole(1, 168),
    meaning: 'a record older than this goes to the dead letters; at least 2 h below the retention of the stream',
  },
  reservedConcurrency: {
    fallback: '100',
    read: orElse('none', whole(1, 10_000)),
    meaning: 'of the processor, at least one a shard; none for an account whose limit is 10',
  },
  tableMode: {
    fallback: 'provisioned',
    read: oneOf<'provisioned' | 'on-demand'>(['provisioned', 'on-demand']),
    meaning: 'capacity of both tables: provisioned with auto scaling at 70 %, or on-demand',
  },
  eventsRead: {
    fallback: '25-4000',
    read: capacity,
    meaning: 'read units of the table of events, from-to',
  },
  eventsWrite: {
    fallback: '50-4000',
    read: capacity,
    meaning: 'write units of the table of events',
  },
  indexRead: {
    fallback: '10-4000',
    read: capacity,
    meaning: 'read units of its index by type',
  },
  indexWrite: {
    fallback: '50-4000',
    read: capacity,
    meaning: 'write units of its index by type: never below what the table gets, or the index holds the table back',
  },
  stateRead: {
    fallback: '50-4000',
    read: capacity,
    meaning: 'read units of the table of states: visitors, rows of views, lanes',
  },
  stateWrite: {
    fallback: '50-4000',
    read: capacity,
    meaning: 'write units of the table of states',
  },
  logRetentionDays: {
    fallback: '30',
    read: logRetention,
    meaning: 'of all log groups; one of those that CloudWatch Logs takes',
  },
  accessLogRetentionDays: {
    fallback: '90',
    read: whole(1, 3650),
    meaning: "of the load balancer's access logs",
  },
  deadLetterRetentionDays: {
    fallback: '365',
    read: whole(15, 3650),
    meaning: 'of dead letters; the notices in SQS go after 14 days',
  },
  archive: {
    fallback: 'off',
    read: onOff,
    meaning: 'on: all records also go to S3, compressed, by the hour (Firehose)',
  },
  archiveRetentionDays: {
    fallback: '400',
    read: whole(31, 3650),
    meaning: 'of the archive; after 30 days it moves to a cheaper class',
  },
  auditMinutes: {
    fallback: '5',
    read: whole(1, 60),
    meaning: 'how often the ledger is audited',
  },
  alarmEmail: {
    fallback: '',
    read: optional(matching(/^[^@\s]+@[^@\s]+$/, 'an address of e-mail')),
    meaning: 'is told of alarms, once the address is confirmed',
  },
  deleteData: {
    fallback: 'off',
    read: onOff,
    meaning: 'on: the data goes with the stack. `npm run destroy -- --delete-data` sets it',
  },
} satisfies Record<string, Parameter<unknown>>;

export type ParameterName = keyof typeof PARAMETERS;

/** For docs/deploy.md: name, default, meaning. */
export const PARAMETER_TABLE: readonly (readonly [string, string, string])[] = Object.entries(PARAMETERS).map(
  ([name, { fallback, meaning }]) => [name, fallback, meaning],
);

/** Everything that is wrong with the parameters given, at once. */
export class ParameterError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`${problems.length === 1 ? 'A parameter is' : 'Parameters are'} wrong:\n  ${problems.join('\n  ')}`);
    this.name = 'ParameterError';
    this.problems = problems;
  }
}

/** Context of CDK itself, which shares the names' space. */
const NOT_OURS = /^(aws:|@aws-cdk\/|cdk-|cli-)/;

/** Reads `-c name=value`. Throws a ParameterError that names every problem. */
export function parametersOf(given: Readonly<Record<string, unknown>>): Parameters {
  const problems: string[] = [];
  for (const name of Object.keys(given)) {
    if (!(name in PARAMETERS) && !NOT_OURS.test(name)) {
      problems.push(`${name}: not a parameter. They are ${Object.keys(PARAMETERS).join(', ')}`);
    }
  }
  const values = {} as { [name in ParameterName]: ReturnType<(typeof PARAMETERS)[name]['read']> };
  const texts: Record<string, string> = {};
  for (const [name, { fallback, read }] of Object.entries(PARAMETERS)) {
    const value = given[name] === undefined ? fallback : String(given[name]).trim();
    texts[name] = value;
    try {
      Object.assign(values, { [name]: read(value) });
    } catch (thrown) {
      problems.push(`${name}: '${value}' is not ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  if (problems.length > 0) throw new ParameterError(problems);

  const { dynamodbPrefixList, s3PrefixList, ...rest } = values;
  const known = PREFIX_LISTS[rest.region];
  const dynamodb = dynamodbPrefixList ?? known?.dynamodb;
  const s3 = s3PrefixList ?? known?.s3;
  if (dynamodb === undefined || s3 === undefined) {
    problems.push(
      `region: the prefix lists of '${rest.region}' are not known; give dynamodbPrefixList and s3PrefixList, as ` +
        `'aws ec2 describe-prefix-lists --region ${rest.region}' tells them`,
    );
  }
  if (rest.maximumAgeHours > rest.streamRetentionHours - 2) {
    problems.push(
      `maximumAgeHours: ${rest.maximumAgeHours} must be at least 2 below streamRetentionHours, ` +
        `${rest.streamRetentionHours}: a record that the stream has let go can be set aside no more`,
    );
  }
  const { reservedConcurrency = Number.POSITIVE_INFINITY, shardCount } = rest;
  if (rest.streamMode === 'provisioned' && shardCount > reservedConcurrency) {
    problems.push(
      `reservedConcurrency: ${reservedConcurrency} is below shardCount, ${shardCount}: ` +
        'each shard has a batch in flight, and some would always wait',
    );
  }
  if (rest.batchSize > 10 && rest.batchWindowSeconds === 0) {
    problems.push('batchWindowSeconds: must be at least 1 when batchSize is above 10, as Lambda asks');
  }
  for (const zone of rest.availabilityZones) {
    if (!zone.startsWith(rest.region))
      problems.push(`availabilityZones: '${zone}' is not of the region ${rest.region}`);
  }
  for (const [table, index] of [['eventsWrite', 'indexWrite']] as const) {
    if (rest[index].max < rest[table].max) {
      problems.push(
        `${index}: its end, ${rest[index].max}, is below that of ${table}, ${rest[table].max}; it would hold the table back`,
      );
    }
  }
  if (problems.length > 0 || dynamodb === undefined || s3 === undefined) throw new ParameterError(problems);
  return { ...rest, prefixLists: { dynamodb, s3 }, texts };
}

function matching(pattern: RegExp, allowed: string): (value: string) => string {
  return (value) => {
    if (!pattern.test(value)) throw new Error(allowed);
    return value;
  };
}

function whole(from: number, to: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < from || number > to) throw new Error(`a whole number from ${from} to ${to}`);
    return number;
  };
}

function oneOf<T extends string>(allowed: readonly T[]): (value: string) => T {
  return (value) => {
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new Error(`one of ${allowed.join(', ')}`);
    return found;
  };
}

function onOff(value: string): boolean {
  return oneOf(['on', 'off'])(value) === 'on';
}

function optional<T>(read: (value: string) => T): (value: string) => T | undefined {
  return (value) => (value === '' ? undefined : read(value));
}

function orElse<T>(word: string, read: (value: string) => T): (value: string) => T | undefined {
  return (value) => {
    try {
      return value === word ? undefined : read(value);
    } catch (thrown) {
      throw new Error(`${word}, or ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  };
}

function list<T>(read: (value: string) => T): (value: string) => readonly T[] {
  return (value) => {
    const parts = value.split(',').map((part) => part.trim());
    return value === '' ? [] : parts.map(read);
  };
}

function prefixList(value: string): string {
  return matching(/^pl-[0-9a-f]{8,17}$/, 'a prefix list, as pl-63a5400a')(value);
}

/** An IPv4 block whose address is its first one. */
function cidr(value: string): string {
  const [, address = '', bits = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(value) ?? [];
  const parts = address.split('.').map(Number);
  const asNumber = parts.reduce((sum, part) => sum * 256 + part, 0);
  const size = 2 ** (32 - Number(bits));
  const isBlock = bits !== '' && Number(bits) <= 32 && parts.every((part) => part <= 255) && asNumber % size === 0;
  if (!isBlock) throw new Error('a block of IPv4 addresses that starts at its first one, as 10.40.0.0/16');
  return value;
}

function vpcCidr(value: string): string {
  const bits = Number(cidr(value).split('/')[1]);
  const isPrivate = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(value);
  if (bits < 16 || bits > 24 || !isPrivate)
    throw new Error('a private block of IPv4 addresses, /16 to /24, as 10.40.0.0/16');
  return value;
}

function zones(value: string): readonly string[] {
  const names = list(matching(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, '2 to 4 zones, as eu-central-1a,eu-central-1b'))(value);
  if (names.length !== 0 && (names.length < 2 || names.length > 4 || new Set(names).size < names.length)) {
    throw new Error('2 to 4 different zones, as eu-central-1a,eu-central-1b');
  }
  return names;
}

function capacity(value: string): Capacity {
  const [, from = '', to = ''] = /^(\d+)-(\d+)$/.exec(value) ?? [];
  const [min, max] = [Number(from), Number(to)];
  if (from === '' || min < 1 || max < min || max > 40_000) throw new Error('from-to, as 25-4000, from 1 to 40000');
  return { min, max };
}

function logRetention(value: string): number {
  const days = Number(value);
  if (!LOG_RETENTION_DAYS.includes(days)) throw new Error(`one of ${LOG_RETENTION_DAYS.join(', ')}`);
  return days;
}
