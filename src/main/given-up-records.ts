import type { RecordReading } from '../adapters/aws/given-up.ts';
import type { EventsIn } from '../adapters/aws/half-put.ts';
import { open, readItems } from '../process/decode.ts';
import { deadOutcome, entryFor, foldLedger, LEDGER, ledgerBucket, ledgerRows } from '../process/views/ledger.ts';
import { decodeSealed, isSealed } from '../query/sealed.ts';

export const RECORD_READING: RecordReading = {
  /** What the processor would have put there, had it set the record aside itself. */
  ledgerOf: (record) => {
    const { header, sequence, arrivedAtMs } = open(record);
    if (header === undefined) return undefined;
    const entry = entryFor({ sequence, header }, deadOutcome(header));
    return {
      key: { view: LEDGER.name, version: LEDGER.version, source: header.source, bucket: ledgerBucket(header) },
      text: ledgerRows.encode(foldLedger(ledgerRows.empty(), { header, arrivedAtMs }, entry)),
    };
  },
  sequencesIn: (row) => {
    const { entries } = ledgerRows.decode(row);
    return new Set([...entries.values()].flatMap((copies) => copies.map(({ sequence }) => sequence)));
  },
  isIn: (sealed, lane, record) => {
    const { header, sequence } = open(record);
    return header !== undefined && isSealed(decodeSealed(sealed), { ...header, lane, sequence });
  },
};

export const eventsIn: EventsIn = (record) => {
  const opened = open(record);
  if (opened.kind !== 'events') return [];
  try {
    return readItems(opened).flatMap((item, index) =>
      item.kind === 'event' ? [{ identity: item.identity, timestamp: item.event.timestamp, index }] : [],
    );
  } catch {
    // Nor could the processor read it, so it put nothing.
    return [];
  }
};
