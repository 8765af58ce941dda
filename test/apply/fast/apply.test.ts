import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { createFastPatcher } from '../../../src/apply/fast/create-patcher.js';
import { planApply } from '../../../src/apply/plan.js';
import { openMemoryStore } from '../../../src/model/store.js';
import type { Patcher } from '../../../src/payload/patch.js';
import { EXHAUSTIVE } from '../../exhaustive.js';
import {
  type DescribedModel,
  goldenCases,
  goldenFacts,
  goldenModel,
  goldenPayload,
} from '../../golden/facts.js';
import { modelAndDiff } from '../../payload/samples.js';
import { cloneModel, expectSameModel, pack } from '../../support.js';

const patcher = createFastPatcher();

/** Counts what goes through a patcher. */
function counted(inner: Patcher) {
  const counts = { allocations: 0, patches: 0 };
  return {
    counts,
    allocate(byteLength: number) {
      counts.allocations++;
      return inner.allocate(byteLength);
    },
    patch(...args: Parameters<Patcher['patch']>) {
      counts.patches++;
      inner.patch(...args);
    },
  };
}

test('planApply() and applyPayload() give the same with the fast patcher as without', async () => {
  await fc.assert(
    fc.asyncProperty(modelAndDiff, async ({ base, diff }) => {
      const { payload, next } = await pack(base, diff);
      const [plain, fast] = [cloneModel(base), cloneModel(base)];
      const options = { patcher };
      expect(await planApply(openMemoryStore(fast), payload, options)).toEqual(
        await planApply(openMemoryStore(plain), payload),
      );
      expect(await applyPayload(openMemoryStore(fast), payload, options)).toEqual(
        await applyPayload(openMemoryStore(plain), payload),
      );
      expectSameModel(fast, plain);
      expectSameModel(fast, next);
    }),
    { numRuns: EXHAUSTIVE ? 60 : 15 },
  );
});

type Facts = Record<'base' | 'next', DescribedModel> & { payload: { ops: { tensors: unknown[] }[] } };

test.each(goldenCases('accept'))(
  'golden payload "%s" makes next of base through the fast patcher',
  async (name) => {
    const { base, next } = goldenFacts<Facts>(`accept/${name}`);
    const model = goldenModel(base);
    const payload = goldenPayload(`accept/${name}`);
    const { fingerprint } = await applyPayload(openMemoryStore(model), payload, { patcher });
    expect(fingerprint).toBe(next.fingerprint);
    expectSameModel(model, goldenModel(next));
  },
);

test('applyPayload() takes its chunks from the patcher and lets it patch them, before and while it writes', async () => {
  const { base, payload } = goldenFacts<Facts>('accept/hash-float');
  const counting = counted(patcher);
  const store = openMemoryStore(goldenModel(base));
  await applyPayload(store, goldenPayload('accept/hash-float'), { patcher: counting });
  expect(counting.counts.allocations).toBe(1);
  expect(counting.counts.patches).toBe(2 * (payload.ops[0]?.tensors.length ?? 0));
});
