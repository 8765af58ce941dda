import { expect, test } from 'vitest';
import { countInto } from '../../src/exact-diff/encode-changes.js';
import { codeOf } from '../support.js';

test('a diff that outgrows payloads is refused while it is coded', async () => {
  const written: number[] = [];
  const { sink, length } = countInto({ write: (bytes) => void written.push(bytes.length) });
  const half = { length: 2 ** 29 } as Uint8Array;
  for (const piece of [half, half]) sink(piece);
  expect(length()).toBe(2 ** 30);
  expect(await codeOf(() => sink({ length: 1 } as Uint8Array))).toBe('limit-exceeded');
  expect(written).toEqual([2 ** 29, 2 ** 29]);
});
