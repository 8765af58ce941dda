import { expect, test } from 'vitest';
import { decodePayload } from '../../src/payload/index.js';
import { codeOf } from '../support.js';
import { forge, headerOf } from './forge.js';

/** Each name would be as long as all before it: checked late, 200 kB of these would fill the memory. */
test('decodePayload() refuses names that grow on each other before it builds them', async () => {
  const first = [0, 'n'.repeat(65_535), 1];
  const growing = Array.from({ length: 20_000 }, (_, i) => [65_534, String.fromCodePoint(0x4e00 + i), 1]);
  const payload = await forge(await headerOf({ tensors: [first, ...growing] }));
  expect(payload.length).toBeLessThan(300_000);
  const before = process.memoryUsage().heapUsed;
  expect(await codeOf(() => decodePayload(payload))).toBe('corrupt-payload');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000);
});

test('decodePayload() refuses more tensors than any model has before it looks at one', async () => {
  const tensors = Array.from({ length: 65_537 }, () => 0);
  const payload = await forge(await headerOf({ tensors }));
  await expect(decodePayload(payload)).rejects.toMatchObject({
    message: expect.stringContaining('65536 tensors'),
  });
});
