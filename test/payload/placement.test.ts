import fc from 'fast-check';
import { expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { placeBlock, tensorSeed, xxh32 } from '../../src/payload/placement.js';
import { createRandom } from '../support.js';

const { h32Raw } = await xxhash();

function xxh32ByPackage(key: number, seed: number): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, key, true);
  return h32Raw(bytes, seed) >>> 0;
}

/** First bucket and sign of a block, in whole numbers of any size. */
function placeByDefinition(index: number, seed: number, bucketCount: number): [number, number] {
  const hash = BigInt(xxh32ByPackage(index, seed));
  return [Number(((hash >> 1n) * BigInt(bucketCount)) >> 31n), Number(hash & 1n)];
}

const uint32 = fc.nat({ max: 0xffffffff });

test('xxh32() gives what xxhash-wasm gives on the key in little-endian bytes', () => {
  const random = createRandom(1);
  for (let i = 0; i < 50_000; i++) {
    const [key, seed] = [random(), random()];
    if (xxh32(key, seed) !== xxh32ByPackage(key, seed)) expect.fail(`key ${key}, seed ${seed}`);
  }
  fc.assert(fc.property(uint32, uint32, (key, seed) => xxh32(key, seed) === xxh32ByPackage(key, seed)));
});

test('tensorSeed() is the hash of the ordinal under the seed of the op', () => {
  fc.assert(
    fc.property(uint32, fc.nat({ max: 65_535 }), (seed, ordinal) => {
      expect(tensorSeed(seed, ordinal)).toBe(xxh32ByPackage(ordinal, seed));
    }),
  );
});

test('placeBlock() equals whole-number arithmetic for any bucket count up to 2^26', () => {
  const count = fc.oneof(
    fc.integer({ min: 1, max: 2 ** 26 }),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 2 ** 16 - 9, max: 2 ** 16 + 9 }),
    fc.integer({ min: 2 ** 26 - 9, max: 2 ** 26 }),
  );
  fc.assert(
    fc.property(uint32, uint32, count, (index, seed, bucketCount) => {
      const place = placeBlock(index, seed, bucketCount);
      expect([place >>> 1, place & 1]).toEqual(placeByDefinition(index, seed, bucketCount));
      expect(place >>> 1).toBeLessThan(bucketCount);
    }),
    { numRuns: 3_000 },
  );
});
