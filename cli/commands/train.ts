import type * as Tf from '@tensorflow/tfjs';
import { fingerprint, hex, NeuralDiffError, totalElements } from '../../src/index.js';
import { checkOutput, modelFolder, openFolder, writeOutput } from '../../src/node/index.js';
import type { TrainDiffOptions, TrainedDiff } from '../../src/train/index.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { TrainingProgress } from '../progress.js';
import { guardRecipe, loadRecipe, loadRecipeData, type Recipe, runRecipe } from '../recipe.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff train`. */
export interface TrainFlags extends CommonFlags {
  readonly kind: 'sparse' | 'hash';
  readonly base: string;
  readonly recipe: string;
  readonly budget: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly seed: number;
  readonly epochs?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly backend: 'wasm' | 'cpu';
}

/** Trains a diff of a model on disk, by a recipe, and writes its payload. */
export async function runTrain(flags: TrainFlags, io: Io): Promise<void> {
  await checkOutput(flags.out, { force: flags.force });
  const baseFacts = await readBase(flags.base, io);
  const recipe = await loadRecipe(flags.recipe);
  const rooms = await importTraining();
  const { budgetBytes, checkSeed, float32Bytes } = rooms.train;
  const bytes = budgetBytes(flags.budget, baseFacts.tensors);
  checkSeed(flags.seed);
  if (flags.dryRun) {
    const json = {
      dryRun: true,
      kind: flags.kind,
      base: baseFacts.fingerprint,
      budgetBytes: bytes,
      out: flags.out,
    };
    const share = formatShare(bytes / float32Bytes(baseFacts.tensors));
    const lines = [
      `base    ${baseFacts.fingerprint}, ${baseFacts.weights} weights`,
      `budget  ${bytes} bytes, ${share} of the float32 model`,
      `would train a ${flags.kind} diff by ${flags.recipe} and write ${flags.out}`,
    ];
    printResult(io, flags, { json, lines });
    return;
  }
  const progress = new TrainingProgress(io, flags);
  const trained = await train(flags, { recipe, rooms, progress, io });
  progress.finish();
  await writeOutput(flags.out, trained.payload, { force: flags.force });
  printTrained(trained, flags, io);
}

function readBase(path: string, io: Io) {
  return withModel({ path }, async (store) => ({
    fingerprint: hex(await fingerprint(store, { signal: io.signal })),
    tensors: store.tensors,
    weights: totalElements(store.tensors),
  }));
}

/** The training rooms need TensorFlow.js, which users of the other commands may not have installed. */
async function importTraining() {
  try {
    const [tf, tfjs, train, sparse, hash] = await Promise.all([
      import('@tensorflow/tfjs'),
      import('../../src/tfjs/index.js'),
      import('../../src/train/index.js'),
      import('../../src/sparse-diff/index.js'),
      import('../../src/hash-diff/index.js'),
    ]);
    return { tf, tfjs, train, sparse, hash };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message =
      'Cannot train: run "npm install @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}

type Rooms = Awaited<ReturnType<typeof importTraining>>;

async function train(
  flags: TrainFlags,
  context: { recipe: Recipe; rooms: Rooms; progress: TrainingProgress; io: Io },
): Promise<TrainedDiff> {
  const { recipe, rooms, progress, io } = context;
  const { tf, tfjs, sparse, hash } = rooms;
  await tfjs.useBackend(flags.backend);
  const model = await loadBase(flags.base, tfjs);
  const { loss, metrics } = guardRecipe(flags.recipe, { loss: recipe.loss, metrics: recipe.metrics });
  await runRecipe(flags.recipe, () =>
    model.compile({ optimizer: tf.train.sgd(0), loss, ...(metrics && { metrics }) }),
  );
  const data = await loadRecipeData(flags.recipe, recipe, { tf, seed: flags.seed, signal: io.signal });
  const { hash: hashOptions, sparse: sparseOptions, mode, outputKind, ...shared } = recipe.options ?? {};
  const options: TrainDiffOptions = {
    ...shared,
    ...definedOnly({ epochs: flags.epochs, batchSize: flags.batchSize, learningRate: flags.learningRate }),
    ...optimizerOf(flags.recipe, recipe, tf),
    task: rooms.train.createTask(model, definedOnly({ mode, outputKind })),
    train: data.train,
    validation: data.validation,
    budget: flags.budget,
    seed: flags.seed,
    signal: io.signal,
    onStep: (report) => progress.step(report),
  };
  if (flags.kind === 'sparse') return sparse.trainSparseDiff({ ...options, ...sparseOptions });
  return hash.trainHashDiff({ ...options, ...hashOptions });
}

async function loadBase(path: string, tfjs: Rooms['tfjs']): Promise<Tf.LayersModel> {
  const folder = await openFolder(await modelFolder(path));
  try {
    return await tfjs.loadModel(folder);
  } finally {
    await folder.close();
  }
}

/** A recipe's optimiser serves the full fine-tune and the diff, each with its own learning rate. */
function optimizerOf(
  path: string,
  recipe: Recipe,
  tf: typeof Tf,
): Pick<TrainDiffOptions, 'optimizer' | 'fineTune'> {
  if (!recipe.optimizer) return {};
  const make = guardRecipe(path, recipe.optimizer);
  const optimizer = (learningRate: number) => make({ tf, learningRate });
  return { optimizer, fineTune: { ...recipe.options?.fineTune, optimizer } };
}

function definedOnly<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function printTrained(trained: TrainedDiff, flags: TrainFlags, io: Io): void {
  const { payload, share, metrics, base, next } = trained;
  const json = { kind: flags.kind, out: flags.out, payloadBytes: payload.length, share, base, next, metrics };
  const names = Object.keys(metrics.diff);
  const lines = [
    `payload  ${formatBytes(payload.length)}, ${formatShare(share)} of the float32 model`,
    `base     ${base}`,
    `next     ${next}`,
    ...names.map(
      (name) =>
        `${name}: ${(['base', 'full', 'diff'] as const).map((who) => `${who} ${metrics[who][name]?.toFixed(4)}`).join('  ')}`,
    ),
  ];
  printResult(io, flags, { json, lines });
  remark(io, flags, `wrote ${flags.out}`);
}
