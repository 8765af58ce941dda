import { checkOutput, writeOutput } from '../../src/node/output.js';
import { budgetBytes, float32Bytes } from '../../src/payload/encode.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { DIFF_KINDS, type DiffKind } from '../../src/recipe/options.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { writeCurve } from '../../src/report/curve.js';
import { checkSeed } from '../../src/train/random.js';
import { defineCommand } from '../command.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { outputFlags, SEED, TRAINING_FLAGS } from '../flags.js';
import { formatShare, type Io, printResult, remark } from '../io.js';
import { trainingProgress } from '../progress.js';
import { isSearch, runSearch, SEARCH_FLAGS, type SearchFlags } from '../search.js';
import { baseOf, describeTrained, optionsOf, planTraining, readBase } from '../training.js';

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Train a diff of a model within a size budget',
  details: [
    'A recipe, an ES module, defines the data, loss and metrics to train with. First, all weights are ' +
      'fine-tuned, as reference and teacher; then the diff is trained and its payload written. ' +
      'Either --budget or --max-gap is required.',
    'With --max-gap instead of --budget, searches for the smallest payload whose model is close enough ' +
      'to the full fine-tune. The kind auto trains every kind and picks the best on validation data.',
  ],
  args: {
    kind: {
      type: 'string',
      isRequired: true,
      choices: ['auto', ...DIFF_KINDS],
      description: 'Kind of diff; auto picks the best',
    },
  },
  flags: {
    ...TRAINING_FLAGS,
    seed: SEED,
    ...SEARCH_FLAGS,
    curve: {
      type: 'string',
      placeholder: 'file',
      description:
        'Write loss, state and validation metrics of each epoch to a JSON file, for report --curve; not with auto or --max-gap',
    },
    ...outputFlags('file', 'Payload file to write; - for stdout'),
  },
  examples: [
    {
      description: 'Train a diff of at most 0.5 % of the model',
      run: 'train hash --base models/v1 --recipe recipe.mjs --budget 0.5% --seed 7 -o v2.ndiff',
    },
    {
      description: 'Train a diff for devices that have applied v2.ndiff',
      run: 'train hash --base models/v1 --chain v2.ndiff --recipe recipe.mjs --budget 0.5% -o v3.ndiff',
    },
    {
      description: 'Train a diff of an ONNX file that changes only its last layer',
      run: "train hash --base model.onnx --recipe recipe.mjs --only 'head.*' --budget 1% -o v2.ndiff",
    },
    {
      description: 'Train every kind and pick the best',
      run: 'train auto --base models/v1 --recipe recipe.mjs --budget 0.5% -o v2.ndiff',
    },
    {
      description: 'Find the smallest payload within 0.3 points of the full fine-tune',
      run: 'train auto --base models/v1 --recipe recipe.mjs --max-gap 0.3% --most 2% -o v2.ndiff',
    },
  ],
  async handle(flags, io) {
    const isSearching = isSearch(flags);
    if (isSearching && flags.curve !== undefined)
      throw new UsageError('Expected --curve with one kind and --budget, as of the payload that is trained');
    if (isSearching) return runSearch(flags, io);
    await train(flags, io);
    return EXIT.done;
  },
});

async function train(flags: SearchFlags & { readonly curve?: string }, io: Io): Promise<void> {
  const { recipe, backend, out, force, curve } = flags;
  // A search was asked for otherwise.
  const [kind, budget] = [flags.kind as DiffKind, flags.budget as string];
  await checkOutput(out, { force });
  if (curve !== undefined) await checkOutput(curve, { force });
  const base = baseOf(flags);
  const facts = await readBase(base, io);
  const { seed = facts.seed } = flags;
  await loadRecipe(recipe);
  const { trainByRecipe } = await importTraining();
  const bytes = budgetBytes(budget, facts.tensors);
  checkSeed(seed);
  const job = { kind, ...base, full: flags.full, recipe, budget, seed, backend, options: optionsOf(flags) };
  if (flags.dryRun) {
    const trained = await planTraining(job, facts, io);
    const json = {
      dryRun: true,
      kind,
      base: facts.fingerprint,
      budgetBytes: bytes,
      seed,
      out,
      trained: trained.json,
    };
    const share = formatShare(bytes / float32Bytes(facts.tensors));
    const lines = [
      `base    ${facts.fingerprint}, ${facts.weights} weights`,
      `budget  ${bytes} bytes, ${share} of the float32 model`,
      ...trained.lines,
      `would train a ${kind} diff by ${recipe} with seed ${seed} and write ${out}`,
    ];
    printResult(io, flags, { json, lines });
    return;
  }
  const progress = trainingProgress(io, flags);
  const measureEpochs = curve !== undefined;
  const trained = await trainByRecipe(job, { signal: io.signal, onStep: progress.report, measureEpochs });
  progress.finish();
  await writeOutput(out, trained.payload, { force });
  if (curve !== undefined) await writeOutput(curve, new TextEncoder().encode(writeCurve(trained)), { force });
  const { payload, model: _, epochs: _epochs, ...found } = trained;
  const payloadBytes = payload.length;
  const json = { kind, out, payloadBytes, seed, ...found };
  printResult(io, flags, { json, lines: describeTrained({ ...trained, payloadBytes }) });
  remark(io, flags, `wrote ${out}; to measure it on test data: neural-diff report`);
}
