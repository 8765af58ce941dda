import fc from 'fast-check';
import { expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { PlainXxh64 } from '../../src/payload/plain-xxh64.js';

test('plain XXH64 is that of WebAssembly, for any bytes in any pieces', async () => {
  const { create64 } = await xxhash();
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.constant(new Uint8Array(40).fill(255)))),
      (pieces) => {
        const [plain, reference] = [new PlainXxh64(), create64()];
        for (const piece of pieces) {
          plain.update(piece);
          reference.update(piece);
          const found = new DataView(plain.digest().buffer).getBigUint64(0);
          expect(found).toBe(reference.digest());
        }
      },
    ),
    { numRuns: 300 },
  );
});
