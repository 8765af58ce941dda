import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { WASM_MEMORY_BYTES } from '../../src/tfjs/memory.js';
import { codeOf } from '../support.js';

beforeAll(() => useBackend('wasm'));

test.each([2 ** 30 - 17, 2 ** 30, 2 ** 31])(
  'a tensor of %i floats is refused, and changes nothing',
  async (size) => {
    const kept = tf.tensor1d([1, 2, 3]);
    const before = tf.memory();
    expect(
      await codeOf(() => tf.engine().runKernel('Fill', {}, { shape: [size], value: 1, dtype: 'float32' })),
    ).toBe('no-memory');
    expect(tf.memory()).toEqual(before);
    expect(Array.from(kept.dataSync())).toEqual([1, 2, 3]);
    kept.dispose();
  },
);

test('a tensor that fits no longer is refused with what is in use', () => {
  const { numBytes } = tf.memory();
  const bytes = WASM_MEMORY_BYTES - 2 ** 16;
  let error: unknown;
  try {
    tf.engine().runKernel('Fill', {}, { shape: [bytes / 4], value: 1, dtype: 'float32' });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({
    code: 'no-memory',
    facts: { bytesNeeded: numBytes + bytes, limit: WASM_MEMORY_BYTES },
  });
});
