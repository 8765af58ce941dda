import { describe, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { decodePayload } from '../../src/payload/decode.js';
import { patchRange } from '../../src/payload/patch.js';
import { encodeStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { SMALL_DIFFS, smallBase } from '../payload/samples.js';
import { envelope, sampleStatement, testKey } from '../release/maker.js';
import { createRandom, pack, seal } from '../support.js';

/** Mutations of each kind of payload, and of a release: a million and more in all. */
const PAYLOAD_RUNS = 130_000;
const RELEASE_RUNS = 300_000;

/** Bytes that the process may take next to what it had before. */
const MEMORY_CEILING = 128e6;

/** @returns the bytes with one to four changes: bytes set, bits flipped, runs cut out, doubled or put in */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let i = random() % 4; i >= 0; i--) {
    if (result.length === 0) return result;
    const at = random() % result.length;
    const length = 1 + (random() % 8);
    switch (random() % 5) {
      case 0:
        result[at] = random() & 0xff;
        break;
      case 1:
        result[at] = (result[at] as number) ^ (1 << (random() % 8));
        break;
      case 2:
        result = splice(result, [at, at + length], new Uint8Array(0));
        break;
      case 3:
        result = splice(result, [at, at], result.slice(at, at + length));
        break;
      default:
        result = splice(
          result,
          [at, at],
          Uint8Array.from({ length }, () => random() & 0xff),
        );
    }
  }
  return result;
}

function splice(bytes: Uint8Array, [from, to]: [number, number], insert: Uint8Array): Uint8Array {
  const [head, tail] = [bytes.subarray(0, from), bytes.subarray(Math.min(to, bytes.length))];
  const result = new Uint8Array(head.length + insert.length + tail.length);
  result.set(head);
  result.set(insert, from);
  result.set(tail, from + insert.length);
  return result;
}

/**
 * Runs a reader on mutation after mutation. @returns how many were refused; anything but a typed error fails
 */
async function countRefusals(
  runs: number,
  read: (random: () => number) => Promise<unknown>,
): Promise<{ refused: number; accepted: number }> {
  const random = createRandom(20);
  const before = process.memoryUsage();
  const found = { refused: 0, accepted: 0 };
  for (let run = 0; run < runs; run++) {
    try {
      await read(random);
      found.accepted++;
    } catch (error) {
      if (!(error instanceof NeuralDiffError)) throw error;
      found.refused++;
    }
    if (run % 1_000 === 0) {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      const taken = heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers;
      if (taken > MEMORY_CEILING) expect.fail(`mutation ${run}: ${taken} bytes more than before`);
    }
  }
  return found;
}

describe.each(Object.keys(SMALL_DIFFS))('payloads of kind "%s"', (kind) => {
  test(`${PAYLOAD_RUNS} mutations give typed errors, or diffs within their bounds`, async () => {
    const { payload } = await pack(smallBase(), SMALL_DIFFS[kind] as { ops: [] }, { note: 'a' });
    const body = payload.subarray(0, -10);
    const found = await countRefusals(PAYLOAD_RUNS, async (random) => {
      const base = smallBase();
      // Two in three get the checksum that they deserve: past it lies what is to be tried.
      const bytes = random() % 3 === 0 ? mutate(payload, random) : await seal(mutate(body, random));
      const { diff } = await decodePayload(bytes, base.tensors);
      for (const tensor of base.tensors)
        patchRange(diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
    });
    process.stderr.write(`${kind}: ${JSON.stringify(found)}\n`);
    expect(found.refused).toBeGreaterThan(PAYLOAD_RUNS / 3);
    expect(found.accepted).toBeGreaterThan(0);
  });
});

test(`${RELEASE_RUNS} mutations of a signed release are refused`, async () => {
  const signer = testKey(1);
  const release = envelope(encodeStatement(sampleStatement()), [signer]);
  const options = { keys: [signer.key], now: () => new Date('2026-11-21T00:00:00Z') };
  await verifyRelease(release, options);
  const found = await countRefusals(RELEASE_RUNS, async (random) => {
    const changed = mutate(release, random);
    if (Buffer.compare(changed, release) === 0) throw new NeuralDiffError('signature-invalid', 'not changed');
    return verifyRelease(changed, options);
  });
  expect(found).toEqual({ refused: RELEASE_RUNS, accepted: 0 });
});
