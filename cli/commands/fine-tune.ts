import { fingerprint } from '../../src/model/fingerprint.js';
import { checkOutput } from '../../src/node/output.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { checkSeed } from '../../src/train/random.js';
import { defineCommand } from '../command.js';
import { outputFlags, RECIPE_FLAGS, SEED } from '../flags.js';
import { printResult, remark } from '../io.js';
import { trainingProgress } from '../progress.js';
import { baseOf, optionsOf, readBase } from '../training.js';

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Train all weights of a model',
  details: [
    'Writes the model that neural-diff train fine-tunes as the reference for its diffs: what reports ' +
      'compare payloads with, and what neural-diff diff can diff with the base.',
  ],
  args: {},
  flags: { ...RECIPE_FLAGS, seed: SEED, ...outputFlags('folder', 'LayersModel folder to write') },
  examples: [
    {
      description: 'Fine-tune a model',
      run: 'fine-tune --base models/v1 --recipe recipe.mjs --seed 7 -o models/v2-full',
    },
  ],
  async handle(flags, io) {
    const { out, force, recipe, backend } = flags;
    await checkOutput(out, { force });
    const base = baseOf(flags);
    const facts = await readBase(base, io);
    const { seed = facts.seed } = flags;
    await loadRecipe(recipe);
    const { fineTuneByRecipe, writeFineTune } = await importTraining();
    checkSeed(seed);
    if (flags.dryRun) {
      const json = { dryRun: true, base: facts.fingerprint, seed, out };
      const lines = [
        `base  ${facts.fingerprint}, ${facts.weights} weights`,
        `would train all weights by ${recipe} with seed ${seed} and write ${out}`,
      ];
      printResult(io, flags, { json, lines });
      return;
    }
    const progress = trainingProgress(io, flags);
    const trained = await fineTuneByRecipe(
      { ...base, recipe, seed, backend, options: optionsOf(flags) },
      { signal: io.signal, onStep: progress.report },
    );
    progress.finish();
    const next = await writeFineTune(base, trained, {
      out,
      force,
      use: async (store) => await fingerprint(store),
    });
    const { metrics } = trained;
    const json = { out, seed, base: facts.fingerprint, next, metrics };
    const lines = [
      `base  ${facts.fingerprint}`,
      `next  ${next}`,
      ...Object.entries(metrics).map(([name, value]) => `${name}: full ${value.toFixed(4)}`),
    ];
    printResult(io, flags, { json, lines });
    remark(io, flags, `wrote ${out}`);
  },
});
