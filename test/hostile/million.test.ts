import { describe, expect, test } from 'vitest';
import { decodePayload } from '../../src/payload/decode.js';
import { patchRange } from '../../src/payload/patch.js';
import { encodeStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { SMALL_DIFFS, smallBase } from '../payload/samples.js';
import { envelope, sampleStatement, testKey } from '../release/maker.js';
import { createRandom, pack, seal } from '../support.js';
import { mutate } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

/** Mutations of each kind of payload, and of a release: a million and more in all. */
const PAYLOAD_RUNS = 130_000;
const RELEASE_RUNS = 300_000;

/** @returns the same reader on mutation after mutation */
function* mutations(runs: number, read: (random: () => number) => Promise<unknown>): Generator<HostileCase> {
  const random = createRandom(20);
  for (let i = 0; i < runs; i++) yield { name: `mutation ${i}`, run: () => read(random) };
}

/** @returns the number of all refusals */
function refusals(refused: Readonly<Record<string, number>>): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0);
}

describe.each(Object.keys(SMALL_DIFFS))('payloads of kind "%s"', (kind) => {
  test(`${PAYLOAD_RUNS} mutations give typed errors, or diffs within their bounds`, async () => {
    const { payload } = await pack(smallBase(), SMALL_DIFFS[kind] as { ops: [] }, { note: 'a' });
    const body = payload.subarray(0, -10);
    const read = async (random: () => number) => {
      const base = smallBase();
      // Two in three get the checksum that they deserve: past it lies what is to be tried.
      const bytes = random() % 3 === 0 ? mutate(payload, random) : await seal(mutate(body, random));
      const { diff } = await decodePayload(bytes, base.tensors);
      for (const tensor of base.tensors)
        patchRange(diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
    };
    const found = await tryCases(`payloads, ${kind}`, mutations(PAYLOAD_RUNS, read));
    expect(refusals(found.refused)).toBeGreaterThan(PAYLOAD_RUNS / 3);
    expect(found.accepted).toBeGreaterThan(0);
  });
});

test(`${RELEASE_RUNS} mutations of a signed release are refused`, async () => {
  const signer = testKey(1);
  const release = envelope(encodeStatement(sampleStatement()), [signer]);
  const options = { keys: [signer.key], now: () => new Date('2026-11-21T00:00:00Z') };
  await verifyRelease(release, options);
  const read = async (random: () => number) => {
    let changed = mutate(release, random);
    while (Buffer.compare(changed, release) === 0) changed = mutate(release, random);
    return verifyRelease(changed, options);
  };
  const found = await tryCases('releases', mutations(RELEASE_RUNS, read));
  expect(found.accepted).toBe(0);
  expect(refusals(found.refused)).toBe(RELEASE_RUNS);
});
