/** Plays something on an emulator of its own, and ends the process by what became of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Emulator, startEmulator } from './emulator.ts';
import { EmulatorFault, exitCodeOf } from './emulator-fault.ts';

/** `play` says whether all was shown; what it throws is told, and was not shown. */
export async function onEmulator(play: (emulator: Emulator) => Promise<boolean>): Promise<void> {
  let fault: EmulatorFault | undefined;
  let isAllShown = false;
  try {
    const emulator = await startEmulator();
    try {
      isAllShown = await play(emulator);
    } catch (thrown) {
      console.log(thrown);
    }
    // That its end is known takes a moment longer than what fails by it.
    if (!isAllShown) await sleep(1_000);
    fault = emulator.fault();
    if (!isAllShown) console.log(`see ${emulator.log}, kept`);
    await emulator.stop({ keepLog: !isAllShown });
  } catch (thrown) {
    if (!(thrown instanceof EmulatorFault)) throw thrown;
    fault = thrown;
  }
  if (fault !== undefined) console.log(`the emulator's own fault, play it again: ${fault.message}`);
  process.exitCode = exitCodeOf({ isAllShown, fault });
}
