import { expect, test } from 'vitest';
import { ACTS, Bench, failCopies, SYSTEM_CODES } from './failing-calls.js';

/** One code for each call; `npm run test:faults` fails every call, also with two copies. */
const codes = (at: number): readonly string[] => [SYSTEM_CODES[(at / STEP) % SYSTEM_CODES.length] as string];
const STEP = 24;

test('a model in place is base or next, and its lock free, whichever system call fails', async () => {
  const bench = await Bench.start('in place');
  for (const act of ACTS) {
    const found = await bench.failEach(act, { codes, lasts: 'once', step: STEP });
    expect(found['file-unreadable']).toBeGreaterThan(0);
    expect(
      Object.keys(found).filter((code) => !['done', 'no-space', 'file-unreadable'].includes(code)),
    ).toEqual([]);
  }
  await bench.close();
});

test('a copy is whole or missing, and the original as it was, whichever system call fails', async () => {
  const { 'no-space': full = 0, 'file-unreadable': failed = 0 } = await failCopies((at) => [
    SYSTEM_CODES[at % 4] as string,
  ]);
  expect(full).toBeGreaterThan(0);
  expect(failed).toBeGreaterThan(full);
});
