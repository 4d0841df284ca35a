/**
 * What is wrong with the log's files, found at start-up or when reading. Sequences are those of the readable records
 * around a gap: what lies strictly between `after` and `before` cannot be read.
 */
export type LogFinding =
  /** A group at the end that was never whole, and so never acknowledged, was cut. */
  | { readonly kind: 'torn_tail_cut'; readonly file: string; readonly bytes: number }
  /** Bytes that are no group, with good groups after them or known to have been one. Nothing is cut; both sides are served. */
  | {
      readonly kind: 'corruption';
      readonly file: string;
      readonly bytes: number;
      readonly after: bigint;
      /** Undefined when nothing readable has followed yet. */
      readonly before: bigint | undefined;
    }
  /** Records are gone without a trace: a file, or a part of one, was taken away. */
  | { readonly kind: 'records_missing'; readonly after: bigint; readonly before: bigint }
  /** The log ends before what was already processed: its tail was cut. It goes on above it. */
  | { readonly kind: 'tail_missing'; readonly after: bigint; readonly before: bigint }
  /** A segment's header is unreadable; its groups are served. */
  | { readonly kind: 'header_corrupt'; readonly file: string }
  /** A file that is neither empty nor has a readable header or group; it is left as it is. */
  | { readonly kind: 'segment_unreadable'; readonly file: string };

export function describeFinding(finding: LogFinding): string {
  switch (finding.kind) {
    case 'torn_tail_cut':
      return `cut an unfinished write of ${finding.bytes} bytes, never acknowledged, off the end of ${finding.file}`;
    case 'corruption':
      return `${finding.bytes} bytes of ${finding.file} are corrupt: ${lost(finding)}; nothing was cut`;
    case 'records_missing':
      return `a part of the log is missing: ${lost(finding)}`;
    case 'tail_missing':
      return `the log's copy of records ${finding.after + 1n} to ${finding.before - 1n} is gone; they were processed and are in the store, and the log goes on at ${finding.before}`;
    case 'header_corrupt':
      return `the header of ${finding.file} is corrupt; its groups are served`;
    case 'segment_unreadable':
      return `${finding.file} holds neither a readable header nor a readable group; it is left as it is`;
  }
}

function lost({ after, before }: { readonly after: bigint; readonly before: bigint | undefined }): string {
  if (before === undefined) return `no record after ${after} can be read yet`;
  const count = before - after - 1n;
  return count > 0n ? `${count} records lost, ${after + 1n} to ${before - 1n}` : 'no record lost';
}
