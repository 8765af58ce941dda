import { describe, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { Payload } from '../../src/payload/diff.js';
import { patchRange } from '../../src/payload/patch.js';
import { codeOf, createRandom, pack, seal } from '../support.js';
import { SMALL_DIFFS, smallBase } from './samples.js';

/** Decodes and, where that succeeds, patches; fails on any error that is not the package's own. */
async function tryToUse(payload: Uint8Array): Promise<'refused' | 'decoded'> {
  let decoded: Payload;
  try {
    decoded = await decodePayload(payload, smallBase().tensors);
  } catch (error) {
    if (error instanceof NeuralDiffError) return 'refused';
    throw error;
  }
  for (const tensor of smallBase().tensors)
    patchRange(decoded.diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
  return 'decoded';
}

/** The values that a byte is changed to: some bits, all bits, and the first bytes of other types. */
const changes = (byte: number): number[] =>
  [byte ^ 1, byte ^ 2, byte ^ 0x10, byte ^ 0x80, byte ^ 0xff, 0, 0x90, 0xdd].filter((to) => to !== byte);

describe.each(Object.keys(SMALL_DIFFS))('decodePayload() of a payload of kind "%s"', (kind) => {
  const packed = async () =>
    (await pack(smallBase(), SMALL_DIFFS[kind] as { ops: [] }, { note: 'a', step: 300 })).payload;

  test('refuses every bit flipped', async () => {
    const payload = await packed();
    for (let at = 0; at < payload.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = payload.slice();
        changed[at] = (changed[at] as number) ^ (1 << bit);
        const code = await codeOf(() => decodePayload(changed, smallBase().tensors));
        const expected = at < 6 ? 'not-a-payload' : at === 6 ? 'unsupported-version' : 'corrupt-payload';
        if (code !== expected) expect.fail(`byte ${at}, bit ${bit}: expected ${expected}, got ${code}`);
      }
    }
  });

  test('refuses every truncation', async () => {
    const payload = await packed();
    for (let end = 0; end < payload.length; end++) {
      const code = await codeOf(() => decodePayload(payload.subarray(0, end), smallBase().tensors));
      expect(code).toBe(end < 7 ? 'not-a-payload' : 'corrupt-payload');
    }
  });

  test('with any byte changed and the checksum repaired, gives a typed error or a diff', async () => {
    const payload = await packed();
    const body = payload.subarray(0, -10);
    const outcomes = { refused: 0, decoded: 0 };
    for (let at = 0; at < body.length; at++) {
      for (const to of changes(body[at] as number)) {
        const changed = body.slice();
        changed[at] = to;
        outcomes[await tryToUse(await seal(changed))]++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    // Fingerprints and values may be anything: these are for the fingerprint of the result to catch.
    expect(outcomes.decoded).toBeGreaterThan(0);
  });

  test('with bytes removed, doubled or inserted and the checksum repaired, gives a typed error or a diff', async () => {
    const body = (await packed()).subarray(0, -10);
    const random = createRandom(11);
    for (let i = 0; i < 300; i++) {
      const from = random() % body.length;
      const to = Math.min(body.length, from + (random() % 9));
      const middle = [[], [...body.subarray(from, to), ...body.subarray(from, to)], [random() & 0xff]][
        random() % 3
      ];
      await tryToUse(
        await seal(Uint8Array.of(...body.subarray(0, from), ...(middle ?? []), ...body.subarray(to))),
      );
    }
    for (let end = 7; end < body.length; end++)
      expect(await tryToUse(await seal(body.subarray(0, end)))).toBe('refused');
  });
});
