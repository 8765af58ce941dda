import { fingerprint } from '../../src/model/fingerprint.js';
import { HALVES } from '../../src/model/float16.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { writeFineTune } from '../../src/recipe/write-fine-tune.js';
import { checkSeed } from '../../src/train/random.js';
import { defineCommand } from '../command.js';
import { outputFlags, RECIPE_FLAGS, SEED } from '../flags.js';
import { printResult, remark } from '../io.js';
import { planCopy } from '../open.js';
import { trainingProgress } from '../progress.js';
import { baseOf, describeMetrics, describePlan, optionsOf, planTraining, readBase } from '../training.js';

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Train all weights of a model',
  details: [
    'Writes the full fine-tune that neural-diff train uses as the reference for its diffs. Reports ' +
      'compare payloads with it, and neural-diff diff can diff it against the base. It is a copy of the ' +
      'base, of the same kind; 16-bit weights are rounded to the nearest value.',
  ],
  args: {},
  flags: {
    ...RECIPE_FLAGS,
    epochs: {
      type: 'number',
      placeholder: 'n',
      description: 'Epochs; default: from the recipe, or chosen on validation data',
    },
    learningRate: {
      type: 'number',
      placeholder: 'rate',
      description: 'Peak learning rate; default: from the recipe, or chosen on validation data',
    },
    seed: SEED,
    ...outputFlags('model', 'Model to write: a folder, or a file if the base is an ONNX file'),
  },
  examples: [
    {
      description: 'Fine-tune a model',
      run: 'fine-tune --base models/v1 --recipe recipe.mjs --seed 7 -o models/v2-full',
    },
    {
      description: 'Fine-tune an ONNX file, except its embeddings',
      run: "fine-tune --base v1.onnx --recipe recipe.mjs --freeze '*embeddings*' -o v2-full.onnx",
    },
  ],
  async handle(flags, io) {
    const { out, force, recipe, backend } = flags;
    const base = baseOf(flags);
    await planCopy(base.base, out, { force });
    const facts = await readBase(base, io);
    const { seed = facts.seed } = flags;
    await loadRecipe(recipe);
    const { fineTuneByRecipe } = await importTraining();
    checkSeed(seed);
    const { epochs, learningRate, ...others } = flags;
    const options = { ...optionsOf(others), fineTune: { epochs, learningRate } };
    const job = { ...base, recipe, seed, backend, options };
    if (flags.dryRun) {
      const trained = await planTraining(job, facts, io);
      const json = { dryRun: true, base: facts.fingerprint, seed, out, trained: trained.json };
      const lines = [
        `base    ${facts.fingerprint}, ${facts.weights} weights`,
        ...trained.lines,
        `would train these by ${recipe} with seed ${seed} and write ${out}`,
      ];
      printResult(io, flags, { json, lines });
      return;
    }
    const progress = trainingProgress(io, flags);
    const trained = await fineTuneByRecipe(job, { signal: io.signal, onStep: progress.report });
    progress.finish();
    const next = await writeFineTune(base, trained, {
      out,
      force,
      use: async (store) => await fingerprint(store),
    });
    const { metrics, validationExamples, plan } = trained;
    const json = { out, seed, base: facts.fingerprint, next, metrics, validationExamples, plan };
    const lines = [
      `base  ${facts.fingerprint}`,
      `next  ${next}`,
      ...describeMetrics({ full: metrics }, validationExamples),
      ...describePlan(plan),
    ];
    printResult(io, flags, { json, lines });
    const isRounded = facts.tensors.some(({ name, dtype }) => trained.weights.has(name) && dtype in HALVES);
    remark(io, flags, `wrote ${out}${isRounded ? ', weights of 16 bits rounded to the nearest' : ''}`);
  },
});
