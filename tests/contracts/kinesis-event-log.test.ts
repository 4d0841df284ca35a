import { KinesisEventLog } from '../../src/adapters/aws/kinesis-event-log.ts';
import { type KinesisEmulator, startKinesis } from '../emulators/kinesis.ts';
import { eventLogContract, type OpenEventLog } from './event-log.contract.ts';

const STREAM = 'events';

eventLogContract({
  name: 'Kinesis',
  async open() {
    const kinesis = await startKinesis();
    await kinesis.makeStream({ stream: STREAM, shardCount: 3 });
    return openOn(kinesis);
  },
});

function openOn(kinesis: KinesisEmulator): OpenEventLog {
  return {
    // A log that is broken tries for so long before it says so.
    log: new KinesisEventLog({ client: kinesis.client, stream: STREAM, limits: { kinesisDeadlineMsMax: 200 } }),
    readAll: () => kinesis.readStream(STREAM),
    broken: {
      breakDown: () => kinesis.breakDown(),
      mend: async () => kinesis.mend(),
    },
    reopen: async () => openOn(kinesis),
    close: () => kinesis.stop(),
  };
}
