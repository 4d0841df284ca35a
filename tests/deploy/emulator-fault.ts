/** The emulator itself is at fault, and not what is shown on it. */
export class EmulatorFault extends Error {
  override readonly name = 'EmulatorFault';
}

/** EX_TEMPFAIL of sysexits.h: play it once more. */
export const PLAY_AGAIN = 75;

/** How a run ends: what the emulator did to it is told apart from what was not shown, and is the only reason to play it again. */
export function exitCodeOf(run: { readonly isAllShown: boolean; readonly fault: EmulatorFault | undefined }): number {
  if (run.fault !== undefined) return PLAY_AGAIN;
  return run.isAllShown ? 0 : 1;
}
