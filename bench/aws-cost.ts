/**
 * What a million events cost in units of AWS, counted from the calls that the real adapters make: `node bench/aws-cost.ts`.
 * Realistic visits at a rate are spread over shards by their partition keys, batched as the event source mapping would, and
 * processed onto a model of DynamoDB. What it prints is kept in docs/cost.md by hand; ends with 1 when an event takes more write
 * units than are promised.
 */
import { parseArgs } from 'node:util';
import { LIMITS } from '../src/core/limits.ts';
import { arrivalsOf } from './aws-arrivals.ts';
import { unitsOf, WRITE_UNITS_MAX } from './aws-units.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '10' },
    shards: { type: 'string', default: '10' },
    'window-seconds': { type: 'string', default: '1' },
    'batch-max': { type: 'string', default: '100' },
    people: { type: 'string', default: '20000' },
    requests: { type: 'string', default: '1' },
    // 0: rows are written with every batch.
    'journal-items': { type: 'string', default: String(LIMITS.journalItemsMax) },
  },
});
const perRequest = Number(values.requests);
const shards = Number(values.shards);
const windowMs = Number(values['window-seconds']) * 1_000;
const batchMax = Number(values['batch-max']);
const load = { perMinute: Number(values.rate), minutes: Number(values.minutes), people: Number(values.people) };
const arrivals = await arrivalsOf({ ...load, shards, perRequest });
const units = await unitsOf(arrivals, { windowMs, batchMax, journalItemsMax: Number(values['journal-items']) });

const { events, requests, putBytes, putUnits } = arrivals;
const perEvent = (value: number) => (value / events).toFixed(3);
process.stdout.write(
  `${events} events at ${load.perMinute}/min in requests of ${perRequest}, ${shards} shards, window ${windowMs} ms: ${units.batches} batches of ${(events / units.batches).toFixed(1)} on average\n\n`,
);
process.stdout.write('| write | calls an event | units an event | bytes a call |\n| --- | --- | --- | --- |\n');
for (const [kind, { calls, units: of, bytes }] of units.writes) {
  process.stdout.write(`| ${kind} | ${perEvent(calls)} | ${perEvent(of)} | ${Math.round(bytes / calls)} |\n`);
}
process.stdout.write(`| all | | ${perEvent(units.writeUnits)} | |\n\n`);
process.stdout.write(
  `read units ${perEvent(units.readUnits)} an event; Kinesis ${Math.round(putBytes / events)} bytes and ${perEvent(putUnits)} PUT payload units an event; ` +
    `${perEvent(requests)} requests and ${perEvent(units.batches)} invocations of the processor an event; its own CPU ${(units.processMs / events).toFixed(3)} ms an event on this machine\n`,
);
if (units.writeUnits > WRITE_UNITS_MAX * events) {
  process.stdout.write(`more than ${WRITE_UNITS_MAX} write units an event\n`);
  process.exitCode = 1;
}
