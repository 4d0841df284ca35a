import { asClickstreamError } from '../core/errors.ts';
import type { Clock } from '../core/time.ts';

/** Writes a fault as one line of JSON, as CloudWatch takes it apart. */
export function reportFault(what: string, thrown: unknown): void {
  const { code, message, cure, stack } = asClickstreamError(thrown);
  const line = { level: 'error', what, code, message, cure, stack: stackOf(thrown) ?? stack };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined;
}

/**
 * Writes metrics into the function's log, where CloudWatch finds them:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
 */
export function writeMetricOf(functionName: string) {
  return ({
    name,
    value,
    atMs,
  }: {
    readonly name: string;
    readonly value: number;
    readonly atMs: number;
  }): undefined => {
    const metrics = [
      { Namespace: 'Clickstream', Dimensions: [['FunctionName']], Metrics: [{ Name: name, Unit: 'Count' }] },
    ];
    const line = { _aws: { Timestamp: atMs, CloudWatchMetrics: metrics }, FunctionName: functionName, [name]: value };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
}

/** Writes a fault, and counts it in the metric `ProcessFaults`: most faults are answered, so Lambda's own count of errors has few of them. */
export function countFaultsOf(functionName: string, clock: Clock) {
  const metric = writeMetricOf(functionName);
  return (what: string, thrown: unknown): void => {
    reportFault(what, thrown);
    metric({ name: 'ProcessFaults', value: 1, atMs: clock() });
  };
}
