import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyPayload, type Patcher, planApply } from '../../src/apply/index.js';
import { createFastPatcher } from '../../src/fast-apply/index.js';
import { openMemoryStore } from '../../src/model/index.js';
import { modelAndDiff } from '../payload/samples.js';
import { cloneModel, expectSameModel, pack } from '../support.js';

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
    { numRuns: 60 },
  );
});

const accept = new URL('../golden/accept', import.meta.url).pathname;

test.each(readdirSync(accept))(
  'golden payload "%s" makes next of base through the fast patcher',
  async (name) => {
    const payload = new Uint8Array(readFileSync(join(accept, name, 'payload.ndiff')));
    const facts = JSON.parse(readFileSync(join(accept, name, 'facts.json'), 'utf8'));
    const modelOf = ({ tensors }: { tensors: { bytes: string }[] }) =>
      cloneModel({
        tensors: tensors.map((tensor) => ({ ...tensor, bytes: Buffer.from(tensor.bytes, 'hex') })) as never,
      });
    const model = modelOf(facts.base);
    const { fingerprint } = await applyPayload(openMemoryStore(model), payload, { patcher });
    expect(fingerprint).toBe(facts.next.fingerprint);
    expectSameModel(model, modelOf(facts.next));
  },
);

test('applyPayload() takes its chunks from the patcher and lets it patch them, before and while it writes', async () => {
  const payload = new Uint8Array(readFileSync(join(accept, 'hash-float', 'payload.ndiff')));
  const facts = JSON.parse(readFileSync(join(accept, 'hash-float', 'facts.json'), 'utf8'));
  const tensors = facts.base.tensors.map((tensor: { bytes: string }) => ({
    ...tensor,
    bytes: new Uint8Array(Buffer.from(tensor.bytes, 'hex')),
  }));
  const counting = counted(patcher);
  await applyPayload(openMemoryStore({ tensors }), payload, { patcher: counting });
  expect(counting.counts.allocations).toBe(2);
  expect(counting.counts.patches).toBe(2 * facts.payload.ops[0].tensors.length);
});
