import { expect, test } from 'vitest';
import type { LogFinding } from '../../src/adapters/embedded/log-finding.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';
import { readRecords } from '../../src/adapters/embedded/log-reader.ts';
import { decodeHeader } from '../../src/log/record.ts';
import { eventWith, recordOf } from '../events.ts';
import { seededRandom } from '../random.ts';
import { FaultFiles } from './fault-files.ts';
import { LOG_FOLDER, openOn } from './log-simulation.ts';

const UNTIL = '2026-11-23T10:30:00.000Z';
const IDS = [{ source: 'default', visitor: 'secret', until: UNTIL }];

function recordsIn(files: FaultFiles, findings: LogFinding[]) {
  const onFinding = (finding: LogFinding) => findings.push(finding);
  return [...readRecords({ folder: LOG_FOLDER, files, after: -1n, onFinding })];
}

function filesWith(files: FaultFiles, text: string): readonly string[] {
  return files.paths(LOG_FOLDER).filter((path) => {
    const file = files.openToRead(path);
    const content = Buffer.alloc(file.size());
    file.read(content, 0);
    return content.includes(text);
  });
}

/** A log of two visitors is scrubbed of one, and the machine stops at a random step of that; then it is done again. */
async function history(seed: number, planted?: (files: FaultFiles) => void): Promise<void> {
  const random = seededRandom(seed);
  let files = new FaultFiles(random);
  const findings: LogFinding[] = [];
  const open = (atLeast: bigint) => openOn(files, { atLeast, progress: new LogProgress(), findings });
  const log = await open(-1n);
  const appended: string[] = [];
  for (let number = 0; number < 30; number += 1) {
    const anonymousId = random() < 0.4 ? 'secret' : 'kept';
    const event = eventWith({ eventId: `e${number}`, anonymousId, properties: { note: 'x'.repeat(random() * 900) } });
    const data = Buffer.from(recordOf([event], { number })).toString();
    await log.append([{ partitionKey: anonymousId, data }]);
    appended.push(data);
  }
  planted?.(files);
  const end = log.end;
  const down = files.stopAfter(Math.floor(random() * 60));
  await Promise.race([down, log.scrub(IDS, { through: end })]);
  files = random() < 0.8 ? files.powerLoss() : files.kill();

  const again = await open(end);
  const check = () => {
    const records = recordsIn(files, findings);
    expect(records).toHaveLength(appended.length);
    for (const [place, { sequence, data }] of records.entries()) {
      const [as, header] = [appended[place] ?? '', decodeHeader(data)];
      expect(sequence).toBe(BigInt(place));
      expect(data.length).toBe(Buffer.byteLength(as));
      if (header.kind === 'erased') {
        expect(as).toContain('secret');
        expect(header).toMatchObject({ visitor: '', count: 1, number: place });
      } else expect(Buffer.from(data).toString()).toBe(as);
    }
  };
  check();
  for (let tries = 0; filesWith(files, 'secret').length > 0; tries += 1) {
    if (tries > 5) throw new Error(`seed ${seed}: still in ${filesWith(files, 'secret').join(', ')}`);
    await again.scrub(IDS, { through: end });
  }
  check();
  await again.close();
  expect(findings.filter(({ kind }) => kind !== 'torn_tail_cut')).toEqual([]);
  expect(filesWith(files, '.scrubbing')).toEqual([]);
  expect(files.paths(LOG_FOLDER).filter((path) => path.endsWith('.scrubbing'))).toEqual([]);
}

test('a scrub that is cut off by a loss of power leaves each record whole or erased, and is done again', async () => {
  for (let seed = 0; seed < 150; seed += 1) {
    await history(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});

test('a disk that breaks its promise is found', async () => {
  const failed: number[] = [];
  for (let seed = 0; seed < 150 && failed.length === 0; seed += 1) {
    const breaks = (files: FaultFiles) => {
      files.faults.planted = 'no sync';
    };
    await history(seed, breaks).catch(() => failed.push(seed));
  }
  expect(failed).not.toEqual([]);
});
