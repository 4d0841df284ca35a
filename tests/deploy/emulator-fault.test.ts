import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EmulatorFault, exitCodeOf, PLAY_AGAIN } from './emulator-fault.ts';

test('only where the emulator itself is at fault a run is to be played again', () => {
  const fault = new EmulatorFault('the emulator ended with SIGSEGV');
  expect(exitCodeOf({ isAllShown: true, fault: undefined })).toBe(0);
  expect(exitCodeOf({ isAllShown: false, fault: undefined })).toBe(1);
  expect(exitCodeOf({ isAllShown: false, fault })).toBe(PLAY_AGAIN);
});

test('.ci/run plays again upon that code, once, and upon no other', () => {
  const [line] = readFileSync('.ci/run', 'utf8')
    .split('\n')
    .filter((each) => each.startsWith('deploy ||'));
  const played = (codes: readonly number[]) => {
    const script = `set -euo pipefail; codes=(${codes.join(' ')}); i=0
      deploy() { echo played; i=$((i + 1)); return "\${codes[i - 1]}"; }
      trap 'echo ended $?' EXIT
      ${line}
      echo the next step`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
  };
  expect(played([0])).toEqual(['played', 'the next step', 'ended 0']);
  expect(played([1, 0])).toEqual(['played', 'ended 1']);
  expect(played([PLAY_AGAIN, 0])).toEqual(['played', 'played', 'the next step', 'ended 0']);
  expect(played([PLAY_AGAIN, 1])).toEqual(['played', 'played', 'ended 1']);
  expect(played([PLAY_AGAIN, PLAY_AGAIN])).toEqual(['played', 'played', `ended ${PLAY_AGAIN}`]);
});
