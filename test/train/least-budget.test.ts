import { expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { createTinyTask, QUICK } from './tiny-task.js';

const { task, train } = await createTinyTask();
const full = await fineTune({ task, train, ...QUICK.fineTune, seed: QUICK.seed });
const settings = { task, train, ...QUICK, epochs: 1, fullFineTune: full };

test.each([
  ['hash', trainHashDiff],
  ['sparse', trainSparseDiff],
] as const)(
  'a budget that no %s diff meets is refused, and the one that is named works',
  async (_, trainer) => {
    for (const budget of [1, 40, 61, 74]) {
      const found = await trainer({ ...settings, budget }).catch((error: unknown) => error);
      if (!(found instanceof NeuralDiffError)) continue;
      expect(found).toMatchObject({ code: 'budget-impossible', facts: { bytes: budget } });
      const least = Number(found.facts.least);
      expect(least).toBeGreaterThan(budget);
      const { payload } = await trainer({ ...settings, budget: least });
      expect(payload.length).toBeLessThanOrEqual(least);
    }
    await expect(trainer({ ...settings, budget: 1 })).rejects.toMatchObject({ code: 'budget-impossible' });
  },
);
