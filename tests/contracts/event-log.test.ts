import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_LANE, type EmbeddedEventLog, openEventLog } from '../../src/adapters/embedded/event-log.ts';
import { type Files, nodeFiles, type WritableFile } from '../../src/adapters/embedded/files.ts';
import { describeFinding, type LogFinding } from '../../src/adapters/embedded/log-finding.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { eventLogContract, type OpenEventLog } from './event-log.contract.ts';
import { MemoryEventLog } from './memory-event-log.ts';

eventLogContract({
  name: 'in memory',
  async open() {
    const log = new MemoryEventLog();
    return {
      log,
      readAll: async () => log.lanes,
      broken: {
        breakDown() {
          log.isBroken = true;
        },
        async mend() {
          log.isBroken = false;
        },
      },
      close: async () => undefined,
    };
  },
});

eventLogContract({
  name: 'embedded',
  open: () => openIn(mkdtempSync(join(tmpdir(), 'event-log-'))),
});

async function openIn(folder: string): Promise<OpenEventLog> {
  const files = new BreakableFiles();
  const progress = new LogProgress();
  const log = await openEventLog({
    folder,
    files,
    clock: Date.now,
    // Small, so that the suite goes through many; nobody processes, so that the gate must stay open.
    limits: { segmentBytes: 64 * 1024, unprocessedBytesMax: Number.POSITIVE_INFINITY, logProbeMs: 5 },
    atLeast: -1n,
    progress,
    onFinding: fail,
  });
  return {
    log,
    readAll: async () =>
      new Map([[EMBEDDED_LANE, [...readRecords({ folder, progress, after: -1n, onFinding: fail })]]]),
    broken: {
      breakDown() {
        files.isBroken = true;
      },
      async mend() {
        files.isBroken = false;
        await untilWritable(log);
      },
    },
    async reopen() {
      await log.close();
      return openIn(folder);
    },
    async close() {
      await log.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function fail(finding: LogFinding): never {
  throw new Error(`nothing should be found: ${describeFinding(finding)}`);
}

async function untilWritable(log: EmbeddedEventLog): Promise<void> {
  while (!log.condition().writable) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The file system, on which writing can be made to fail. */
class BreakableFiles implements Files {
  isBroken = false;
  readonly makeFolder = nodeFiles.makeFolder.bind(nodeFiles);
  readonly list = nodeFiles.list;
  readonly openToRead = nodeFiles.openToRead;
  readonly cut = nodeFiles.cut;
  readonly rename = nodeFiles.rename;
  readonly unlink = nodeFiles.unlink;
  readonly syncFolder = nodeFiles.syncFolder;

  async create(path: string): Promise<WritableFile> {
    const file = await nodeFiles.create(path);
    return {
      write: (data, position) =>
        this.isBroken ? Promise.reject(new Error('EIO, made by the test')) : file.write(data, position),
      close: () => file.close(),
    };
  }
}
