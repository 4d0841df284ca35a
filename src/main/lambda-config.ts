import { ClickstreamError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';

/** The environment of a function, as the stack sets it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface CollectLambdaConfig {
  readonly stream: string;
  readonly tables: { readonly events: string; readonly state: string };
  readonly writeKeySecret: string;
  /**
   * How many reverse proxies add the address that they saw to the right of X-Forwarded-For. Default 1, the load balancer;
   * behind CloudFront there are two.
   */
  readonly proxies: number;
}

export interface QueryLambdaConfig {
  /** For what is put back. */
  readonly stream: string;
  readonly tables: { readonly events: string; readonly state: string };
  readonly readTokenSecret: string;
  /** As Lambda itself says it; what its metrics are named by. */
  readonly functionName: string;
}

export interface ProcessLambdaConfig {
  readonly tables: { readonly events: string; readonly state: string };
  readonly deadLettersBucket: string;
  /** As Lambda itself says it; what its metrics are named by. */
  readonly functionName: string;
}

/** Each of these throws ClickstreamError `config_invalid`, which names all variables that are missing. */
export function collectLambdaConfig(environment: Environment): CollectLambdaConfig {
  const { STREAM_NAME, EVENTS_TABLE, STATE_TABLE, WRITE_KEY_SECRET_ARN } = required(environment, [
    'STREAM_NAME',
    'EVENTS_TABLE',
    'STATE_TABLE',
    'WRITE_KEY_SECRET_ARN',
  ]);
  const tables = { events: EVENTS_TABLE, state: STATE_TABLE };
  return { stream: STREAM_NAME, tables, writeKeySecret: WRITE_KEY_SECRET_ARN, proxies: proxiesOf(environment) };
}

export function queryLambdaConfig(environment: Environment): QueryLambdaConfig {
  const { STREAM_NAME, EVENTS_TABLE, STATE_TABLE, READ_TOKEN_SECRET_ARN } = required(environment, [
    'STREAM_NAME',
    'EVENTS_TABLE',
    'STATE_TABLE',
    'READ_TOKEN_SECRET_ARN',
  ]);
  const tables = { events: EVENTS_TABLE, state: STATE_TABLE };
  const functionName = environment.AWS_LAMBDA_FUNCTION_NAME ?? 'query';
  return { stream: STREAM_NAME, tables, readTokenSecret: READ_TOKEN_SECRET_ARN, functionName };
}

export function processLambdaConfig(environment: Environment): ProcessLambdaConfig {
  const { EVENTS_TABLE, STATE_TABLE, DEAD_LETTERS_BUCKET } = required(environment, [
    'EVENTS_TABLE',
    'STATE_TABLE',
    'DEAD_LETTERS_BUCKET',
  ]);
  const functionName = environment.AWS_LAMBDA_FUNCTION_NAME ?? 'process';
  return { tables: { events: EVENTS_TABLE, state: STATE_TABLE }, deadLettersBucket: DEAD_LETTERS_BUCKET, functionName };
}

function proxiesOf({ PROXIES }: Environment): number {
  const proxies = Number(PROXIES ?? 1);
  if (PROXIES !== '' && Number.isInteger(proxies) && proxies >= 1 && proxies <= LIMITS.proxiesMax) return proxies;
  const detail = `PROXIES is ${JSON.stringify(PROXIES)}; allowed: a whole number from 1 to ${LIMITS.proxiesMax}`;
  throw new ClickstreamError('config_invalid', detail);
}

function required<const Name extends string>(
  environment: Environment,
  names: readonly Name[],
): Readonly<Record<Name, string>> {
  const missing = names.filter((name) => (environment[name] ?? '') === '');
  if (missing.length > 0) {
    throw new ClickstreamError('config_invalid', `the function's environment has no ${missing.join(', ')}`);
  }
  return Object.fromEntries(names.map((name) => [name, environment[name]])) as Record<Name, string>;
}
