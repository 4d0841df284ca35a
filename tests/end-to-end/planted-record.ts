import { join } from 'node:path';
import { openEventLog } from '../../src/adapters/embedded/event-log.ts';
import { LogProgress } from '../../src/adapters/embedded/log-progress.ts';

/** Puts into the log of a server that is stopped what no collector makes, as damage or another program would. */
export async function plantRecord(data: string, text: string): Promise<void> {
  const log = await openEventLog({
    ...{ folder: join(data, 'log'), clock: Date.now, atLeast: -1n, progress: new LogProgress() },
    onFinding: () => undefined,
  });
  await log.append([{ partitionKey: 'any', data: text }]);
  await log.close();
}
