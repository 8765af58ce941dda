import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { diffFiles } from '../../../src/exact-diff/diff-files.js';
import { diffModels } from '../../../src/exact-diff/diff-stores.js';
import { fingerprint } from '../../../src/model/fingerprint.js';
import { copyModel, openMemoryStore } from '../../../src/model/store.js';
import type { Model } from '../../../src/model/tensor.js';
import { openFilesModel } from '../../../src/node/files-model.js';
import { openFolder } from '../../../src/node/folder.js';
import { openModel } from '../../../src/node/open-model.js';
import type { Diff } from '../../../src/payload/diff.js';
import { encodePayload, joinPieces } from '../../../src/payload/encode.js';
import { patchModel } from '../../../src/payload/patch.js';
import { openBase } from '../../../src/recipe/open-base.js';
import { trainByRecipe } from '../../../src/recipe/train-by-recipe.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { loadModel, modelFiles } from '../../../src/tfjs/layers-files.js';
import { recipe } from '../../cli/command.js';

/** A folder of a test's files. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'neural-diff-test-measure-'));

  at(...names: string[]): string {
    return join(this.folder, ...names);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.at(name), content);
    return this.at(name);
  }

  /**
   * Writes a recipe whose `data` has a body of its own, behind which `xs` and `hot` are 12 points and their
   * classes.
   */
  recipe(name: string, body: string, exports = ''): string {
    return this.write(
      `${name}.mjs`,
      `export async function data({ tf, seed, signal }) {
        const classes = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 1];
        const places = classes.flatMap((c, i) => [Math.cos(2 * c) + i / 20, Math.sin(2 * c) - i / 30]);
        const xs = tf.tensor2d(places, [12, 2]);
        const hot = () => tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), 3), 'float32'));
        const train = { xs, ys: hot() };
        ${body}
      }
      export const loss = 'categoricalCrossentropy';
      ${exports}`,
    );
  }

  async saveModel(name: string, model: tf.LayersModel): Promise<string> {
    mkdirSync(this.at(name), { recursive: true });
    for (const [path, bytes] of await modelFiles(model, 1000)) writeFileSync(this.at(name, path), bytes);
    model.dispose();
    return this.at(name);
  }

  /** Writes a small model of two inputs: two hidden layers, then outputs as they are asked for. */
  async saveSmall(
    name: string,
    { seed = 1, units = 3, hidden = 32, activation = 'softmax' as Activation } = {},
  ): Promise<string> {
    await useBackend('cpu');
    const dense = (size: number, layer: string, config: object) => {
      const kernelInitializer = tf.initializers.heNormal({ seed: seed + size });
      return tf.layers.dense({ units: size, name: layer, kernelInitializer, ...config });
    };
    const layers = [
      dense(64, 'hidden', { activation: 'relu', inputShape: [2] }),
      dense(hidden, 'middle', { activation: 'relu' }),
      dense(units, 'out', { activation }),
    ];
    return this.saveModel(name, tf.sequential({ layers }));
  }

  /** Trains a payload by the recipe `points`. */
  async train(kind: 'hash' | 'sparse', base: string, chain: readonly string[] = []): Promise<string> {
    const job = { kind, base, chain, recipe: recipe('points'), budget: '9%', seed: 3 } as const;
    const { signal } = new AbortController();
    const { payload, model: _model } = await trainByRecipe({ ...job, options: { epochs: 5 } }, { signal });
    const names = [base, ...chain].map((path) => basename(path, '.ndiff'));
    return this.write(
      base.endsWith('base') && chain.length === 0 ? `${kind}.ndiff` : `${kind}-of-${names}.ndiff`,
      payload,
    );
  }

  /** Writes the exact diff of two models. */
  async exact(name: string, base: string, next: Model | string): Promise<string> {
    const model = typeof next === 'string' ? await readModel(next) : next;
    return this.write(name, (await diffModels(await readModel(base), model)).payload);
  }

  /** Writes a payload that makes the files of the next model. */
  async files(name: string, base: string, next: string): Promise<string> {
    const models = [await openFilesModel(base), await openFilesModel(next)] as const;
    const diff = await diffFiles(models[0].store, models[1]);
    const bytes = await joinPieces(diff);
    for (const { store } of models) await store.close();
    return this.write(name, bytes);
  }

  /** Writes a payload of any ops. */
  async pack(name: string, base: string, diff: Diff): Promise<string> {
    const model = await readModel(base);
    const header = {
      base: await fingerprint(openMemoryStore(model)),
      next: await fingerprint(openMemoryStore(patchModel(model, diff))),
      tensors: model.tensors,
      meta: {},
    };
    return this.write(name, await encodePayload(header, diff));
  }
}

type Activation = 'softmax' | 'sigmoid' | 'linear';

export async function readModel(path: string): Promise<Model> {
  const store = await openModel(path);
  return copyModel(store).finally(() => store.close());
}

/** @returns the live model that payloads make of a base */
export async function loadPatched(base: string, chain: readonly string[] = []): Promise<tf.LayersModel> {
  await useBackend('wasm');
  const files = chain.length === 0 ? await openFolder(base) : (await openBase({ base, chain })).files;
  return loadModel(files).finally(() => files.close());
}
