import { describe, expect, test } from 'vitest';
import { ACTS, Bench, failCopies, type KEEPERS, SYSTEM_CODES, type Tally } from '../node/failing-calls.js';
import { printCounts } from './counts.js';

/** Two codes for each call, in turn; when all later calls fail too, one. */
const MODES = {
  once: { lasts: 'once', codes: (at: number) => (at % 2 === 0 ? ['EIO', 'ENOSPC'] : ['EACCES', 'EROFS']) },
  on: { lasts: 'on', codes: (at: number) => [at % 2 === 0 ? 'EROFS' : 'ENOSPC'], step: 3 },
} as const;

const NAMES = ['in place', 'slots'] as const satisfies readonly (keyof typeof KEEPERS)[];

/** All failures are typed, and of two codes. */
function check(title: string, found: Tally): void {
  printCounts(`system calls fail, ${title}`, found);
  const { done: _, 'no-space': full = 0, 'file-unreadable': failed = 0, ...others } = found;
  expect(full).toBeGreaterThan(0);
  expect(failed).toBeGreaterThan(0);
  expect(others).toEqual({});
}

describe.each(NAMES)('a model kept %s is base or next, and its lock free', (name) => {
  test.each(ACTS)('when any system call of %s fails, once or from then on', async (act) => {
    const bench = await Bench.start(name);
    for (const [mode, plan] of Object.entries(MODES))
      check(`${name}, ${act}, ${mode}`, await bench.failEach(act, plan));
    await bench.close();
  });
});

test('a patched copy is whole or missing when any system call fails', async () => {
  check('copy', await failCopies(() => SYSTEM_CODES));
});
