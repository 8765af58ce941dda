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
      'Most bytes of the payload: 0.3%, 20kB, 20000; default: 1%. Of a network: of its weights, 50% of the base',
  },
  maxGap: {
    type: 'string',
    placeholder: 'gap',
    description:
      'Find the smallest payload this near to the full fine-tune: 0.3%, 0.003; default: the nearest payload, as far as the examples can tell',
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
      'Most memory that applying takes besides the model: 20MB. Of a network: that inference of one example takes',
  },
  mode: {
    type: 'string',
    choices: ['multi-shot', 'single-shot', 'zero-shot'],
    description: 'How to look for a network; default: multi-shot',
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
    description: 'Diffs or networks to train; one with a quarter of the epochs counts as a quarter',
  },
  metric: {
    type: 'string',
    placeholder: 'name',
    description: 'Validation metric to compare by, as wer:lower; default: accuracy, or the loss',
  },
  knowledge: {
    type: 'string',
    placeholder: 'file',
    description: `Trials of earlier searches, of this and other tasks: read first, written last; default: ${KNOWLEDGE}`,
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
  resume: { type: 'boolean', description: 'Keep the trials in that folder and train the missing ones' },
  ...outputFlags(
    'file',
    'Payload file to write; folder of the model, for networks; JSON file, for precision',
  ),
} as const satisfies Flags;

const HANDLERS = { payload: tunePayloads, network: tuneNetworks, precision: tunePrecision } as const;

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Search for the configuration of a payload, for a network or for grids that meet limits',
  details: [
    'Trains diffs of many configurations: kind, epochs, rates, blocks, distillation. The defaults of both ' +
      'kinds come first; then short trials, a quarter of the epochs, of what random forests expect most of, ' +
      'learnt from the trials so far and from earlier searches (--knowledge); the best of them are trained ' +
      'in full.',
    'With --max-gap, the smallest payload within all limits wins; without it, the one nearest to the full ' +
      'fine-tune: of those whose gaps the validation examples cannot tell apart (one standard error), the one ' +
      'with the smallest loss.',
    'tune network looks for a network of the recipe (its export network) that is best on validation data ' +
      'within limits of time, bytes and memory, trains it from scratch and writes it as a LayersModel.',
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
