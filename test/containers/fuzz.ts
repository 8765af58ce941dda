import { expect } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { copyModel, type WeightStore } from '../../src/model/store.js';
import { createRandom } from '../support.js';

const RUNS = 3_000;

/**
 * Opens a file with one to three random bytes changed, now and then cut off too, many times: tensors within
 * the file or a typed error.
 *
 * @param whole the file as it should be
 * @param within where bytes change: before this offset
 * @returns how many changes were refused
 */
export async function fuzz(
  open: (bytes: Uint8Array) => Promise<WeightStore>,
  whole: Uint8Array,
  within = whole.length,
): Promise<number> {
  const random = createRandom(5);
  let refused = 0;
  for (let run = 0; run < RUNS; run++) {
    const bytes = whole.slice(0, run % 7 === 0 ? random() % whole.length : whole.length);
    for (let i = 0; i <= run % 3; i++) bytes[random() % within] = random() & 0xff;
    try {
      await copyModel(await open(bytes));
    } catch (error) {
      expect(error).toBeInstanceOf(NeuralDiffError);
      refused++;
    }
  }
  return refused;
}
