import { describe, expect, test } from 'vitest';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { DISK_CASES } from './disk-cases.js';

describe('createFaultyDisk()', () => {
  test.each(DISK_CASES)('$name', async ({ run, expected }) => {
    expect(await run(createFaultyDisk())).toEqual(expected);
  });
});
