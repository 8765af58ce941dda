import { defineCommand, type Flags } from '../command.js';
import { outputFlags, SEED, TRAINING_FLAGS } from '../flags.js';
import { TRAINER_FLAGS } from '../trainer.js';
import { tuneNetworks } from '../tune-network.js';
import { tunePayloads } from '../tune-payload.js';
import { tunePrecision } from '../tune-precision.js';
import { KNOWLEDGE } from '../tune-search.js';

const { learningRate: _rate, ...SHARED } = TRAINING_FLAGS;

/** Flags of `tune`. */
export const TUNE_FLAGS = {
  ...SHARED,
  seed: SEED,
  maxBytes: {
    type: 'string',
    placeholder: 'size',
    description:
      'Most bytes of the payload: 0.3%, 20kB, 20000; default: 1%. For networks: bytes of the weights, or 50% of the base',
  },
  maxGap: {
    type: 'string',
    placeholder: 'gap',
    description:
      'Find the smallest payload within this gap to the full fine-tune: 0.3%, 0.003; default: the payload with the smallest gap',
  },
  maxApplyMs: {
    type: 'number',
    placeholder: 'ms',
    description: 'Most milliseconds that applying the payload takes on this machine',
  },
  maxMemory: {
    type: 'string',
    placeholder: 'size',
    description:
      'Most memory to apply the payload, besides the model: 20MB. For networks: memory of inference of one example',
  },
  mode: {
    type: 'string',
    choices: ['multi-shot', 'single-shot', 'zero-shot'],
    description: 'How to search for a network; default: multi-shot',
  },
  maxInferMs: {
    type: 'number',
    placeholder: 'ms',
    description: 'Most milliseconds that inference of one example takes on this machine, for networks',
  },
  maxInferShare: {
    type: 'string',
    placeholder: 'share',
    description: 'The same as a share of what the base takes: 65%',
  },
  rule: {
    type: 'string',
    placeholder: 'rule',
    isRepeated: true,
    description: 'Fix or exclude values of a choice: kind=hash, block!=2,4; may be repeated',
  },
  trials: {
    type: 'number',
    placeholder: 'n',
    default: 24,
    description: 'Budget in full trials; one with a quarter of the epochs counts as a quarter',
  },
  metric: {
    type: 'string',
    placeholder: 'name',
    description: 'Validation metric to compare by, as wer:lower; default: accuracy, or the loss',
  },
  knowledge: {
    type: 'string',
    placeholder: 'file',
    description: `File with the trials of earlier searches, read at the start and updated at the end; default: ${KNOWLEDGE}`,
  },
  ...TRAINER_FLAGS,
  workers: {
    type: 'number',
    placeholder: 'n',
    description: 'Diffs or networks to train at once; default: one per processor',
  },
  work: {
    type: 'string',
    placeholder: 'folder',
    description: 'Folder for the trials until the search ends; default: OUT.tune',
  },
  keepWork: { type: 'boolean', description: 'Keep that folder when the search succeeds' },
  resume: { type: 'boolean', description: 'Continue with the trials in that folder' },
  ...outputFlags(
    'file',
    'Payload file to write; folder of the model, for networks; JSON file, for precision',
  ),
} as const satisfies Flags;

const HANDLERS = { payload: tunePayloads, network: tuneNetworks, precision: tunePrecision } as const;

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Search for the settings of a payload, for a network or for grids, within limits',
  details: [
    'tune payload trains diffs with many settings: kind, epochs, rates, blocks, distillation. It starts with ' +
      'the defaults of both kinds. Then random forests, fitted to the trials so far and to earlier searches ' +
      '(--knowledge), choose short trials with a quarter of the epochs; the best of these are trained in full.',
    'With --max-gap, it returns the smallest payload within all limits; without it, the one with the smallest ' +
      'gap to the full fine-tune. Gaps within one standard error count as equal; then the smallest loss wins.',
    'tune network searches the networks of the recipe (its export network) for the most accurate one within ' +
      'limits of time, bytes and memory, trains it from scratch and writes it as a LayersModel.',
    'tune precision finds, for each tensor of the base, the coarsest of float16, bfloat16 and int8 that keep ' +
      'the accuracy on validation data together (--max-gap), and writes them as JSON.',
  ],
  args: {
    action: {
      type: 'string',
      isRequired: true,
      choices: ['payload', 'network', 'precision'],
      description: 'What to tune',
    },
  },
  flags: TUNE_FLAGS,
  examples: [
    {
      description: 'Find the best payload of at most 0.3 % of the model',
      run: 'tune payload --base models/v1 --recipe recipe.mjs --max-bytes 0.3% -o v2.ndiff',
    },
    {
      description: 'Find the smallest hash diff within half a point that applies in 50 ms',
      run: 'tune payload --base models/v1 --recipe recipe.mjs --max-gap 0.5% --max-apply-ms 50 --rule kind=hash -o v2.ndiff',
    },
    {
      description: 'Find a network that takes at most two thirds of the time of the base',
      run: 'tune network --base models/v1 --recipe recipe.mjs --max-infer-share 66% -o models/fast',
    },
    {
      description: 'Find the coarsest grids on which devices can store the model',
      run: 'tune precision --base models/v1 --recipe recipe.mjs --max-gap 0.3% -o grids.json',
    },
  ],
  handle: (flags, io) => HANDLERS[flags.action](flags, io),
});
