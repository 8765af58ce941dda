import { basename, dirname, join } from 'node:path';
import { fingerprint } from '../../model/fingerprint.js';
import { wholeModel } from '../../node/open-model.js';
import { budgetBytes } from '../../payload/encode.js';
import type { TrainingJob } from '../job.js';
import { openBase, seedFor } from '../open-base.js';
import { type DiffSpec, type FileSet, plain } from './job-spec.js';
import { listRecipeFiles } from './recipe-files.js';
import type { FarmStore } from './store.js';

/**
 * Puts everything that jobs need into a store.
 *
 * @param jobs diffs to train; paths that several of them name are read once
 * @returns what any machine with the store can run: `runJob` makes the bytes that `trainMany` would
 * @throws NeuralDiffError those of models on disk, payloads and recipes; `budget-impossible`
 */
export async function packJobs(
  jobs: readonly TrainingJob[],
  { store, version }: { readonly store: FarmStore; readonly version: string },
): Promise<DiffSpec[]> {
  const packer = new Packer(store);
  const specs: DiffSpec[] = [];
  for (const job of jobs) {
    const { base, tensors } = await packer.base(job);
    const { kind, backend = 'wasm', options = {}, full, seed = seedFor(base.fingerprint) } = job;
    const shared = { format: 'neural-diff job', version: 1, package: version } as const;
    const inputs = {
      base,
      recipe: await packer.recipe(job.recipe),
      ...(full && { full: await packer.model(full) }),
    };
    const budget = budgetBytes(job.budget, tensors);
    specs.push(plain({ ...shared, type: 'diff', ...inputs, seed, backend, options, kind, budget }));
  }
  return specs;
}

/**
 * Puts the files of a recipe into a store.
 *
 * @throws NeuralDiffError those of `listRecipeFiles` and of the store
 */
export async function packRecipe(path: string, store: FarmStore): Promise<FileSet> {
  return putSet(await listRecipeFiles(path), store);
}

/**
 * Puts models with their payloads into a store; paths that several of them name are read once.
 *
 * @throws NeuralDiffError those of models on disk, payloads and the store
 */
export async function packModels(
  models: readonly Pick<TrainingJob, 'base' | 'chain'>[],
  store: FarmStore,
): Promise<DiffSpec['base'][]> {
  const packer = new Packer(store);
  const packed: DiffSpec['base'][] = [];
  for (const model of models) packed.push((await packer.base(model)).base);
  return packed;
}

async function putSet(
  { root, main, files: names }: { root: string; main: string; files: readonly string[] },
  store: FarmStore,
): Promise<FileSet> {
  const files: Record<string, string> = {};
  for (const name of names) files[name] = await store.putFile(join(root, name));
  return { main, files };
}

class Packer {
  readonly #store: FarmStore;
  readonly #packed = new Map<string, Promise<unknown>>();

  constructor(store: FarmStore) {
    this.#store = store;
  }

  base({ base, chain = [] }: Pick<TrainingJob, 'base' | 'chain'>) {
    return this.#once(JSON.stringify(['base', base, chain]), async () => {
      const { store } = await openBase({ base, chain });
      try {
        const files = await this.model(base);
        const payloads = await Promise.all(chain.map((path) => this.#store.putFile(path)));
        const found = { ...files, fingerprint: await fingerprint(store), chain: payloads };
        return { base: found, tensors: store.tensors };
      } finally {
        await store.close();
      }
    });
  }

  model(path: string): Promise<FileSet> {
    return this.#once(JSON.stringify(['model', path]), async () => {
      const { from, files, main } = await wholeModel(path);
      if (files) return putSet({ root: from, main, files }, this.#store);
      return putSet({ root: dirname(from), main: basename(from), files: [basename(from)] }, this.#store);
    });
  }

  recipe(path: string): Promise<FileSet> {
    return this.#once(JSON.stringify(['recipe', path]), () => packRecipe(path, this.#store));
  }

  #once<T>(key: string, pack: () => Promise<T>): Promise<T> {
    const known = this.#packed.get(key) ?? pack();
    this.#packed.set(key, known);
    return known as Promise<T>;
  }
}
