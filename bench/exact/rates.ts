import { applyPayload } from '../../src/apply/apply-payload.js';
import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { openMemoryStore } from '../../src/model/store.js';
import { type Model, totalElements } from '../../src/model/tensor.js';

/** Runs of which the fastest counts: the first ones compile. */
const RUNS = 3;

/** Copies of a small model that are timed as one, so that what each model takes does not count. */
const COPIES = 16;

/** Weights a second, in memory and one thread. */
export interface Rates {
  readonly encode: number;
  readonly decode: number;
}

/** Times making a diff of copies of two small models, and applying it with its checks. */
export async function measureRates(smallBase: Model, smallNext: Model): Promise<Rates> {
  const [base, next] = [copiesOf(smallBase), copiesOf(smallNext)];
  const weights = totalElements(next.tensors);
  const { payload } = await diffModels(base, next);
  const patcher = createPatcher();
  const encode = await fastest(() => async () => void (await diffModels(base, next)));
  const decode = await fastest(() => {
    const tensors = base.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
    const store = openMemoryStore({ tensors });
    return async () => void (await applyPayload(store, payload, { patcher }));
  });
  return { encode: weights / encode, decode: weights / decode };
}

function copiesOf({ tensors }: Model): Model {
  const copies = Array.from({ length: COPIES }, (_, i) =>
    tensors.map((tensor) => ({ ...tensor, name: `${i}/${tensor.name}` })),
  );
  return { tensors: copies.flat() };
}

/** @returns the least seconds of a task that is prepared before each run */
async function fastest(prepare: () => () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const task = prepare();
    const start = performance.now();
    await task();
    least = Math.min(least, (performance.now() - start) / 1000);
  }
  return least;
}
