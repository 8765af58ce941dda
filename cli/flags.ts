import type { Flags, FlagsOf } from './command.js';

/** Flags of every command. */
export const COMMON_FLAGS = {
  json: { type: 'boolean', about: 'Print one JSON document on stdout' },
  quiet: { type: 'boolean', short: 'q', about: 'Print no progress and no remarks on stderr' },
} as const satisfies Flags;

/** A model on disk. */
export const MODEL = {
  type: 'text',
  isRequired: true,
  about: 'Model: a LayersModel folder, safetensors, ONNX, TFLite, GGUF, Keras, HDF5 or NumPy',
} as const;

/** A payload on disk. */
export const PAYLOAD = { type: 'text', isRequired: true, about: 'Payload file' } as const;

export const DRY_RUN = { type: 'boolean', about: 'Check everything, write nothing' } as const;

export const FORCE = { type: 'boolean', short: 'f', about: 'Replace an existing output' } as const;

/** @returns flags of a command that writes one output, which must be named */
export function outputFlags<const Value extends string>(value: Value, about: string) {
  const out = { type: 'text', value, short: 'o', isRequired: true, about } as const;
  return { out, force: FORCE, dryRun: DRY_RUN } as const;
}

/** @returns flags of a command that can do without a named output */
export function optionalOutputFlags<const Value extends string>(value: Value, about: string) {
  const out = { type: 'text', value, short: 'o', about } as const;
  return { out, force: FORCE, dryRun: DRY_RUN } as const;
}

/** What a command that writes one output is told about it. */
export type OutputFlags = FlagsOf<ReturnType<typeof outputFlags>>;

export const CHAIN = {
  type: 'text',
  value: 'files',
  isRepeated: true,
  about: 'Payloads that devices have applied to the base, in order, separated by commas; may be repeated',
} as const;

export const SEED = {
  type: 'number',
  value: 'n',
  about: 'Seed of all random numbers; default: derived from the base',
} as const;

export const BACKEND = {
  type: 'text',
  choices: ['wasm', 'cpu'],
  default: 'wasm',
  about: 'TensorFlow.js backend',
} as const;

/** Flags of a command that needs a recipe. */
export const RECIPE_FLAGS = {
  base: { type: 'text', value: 'model', isRequired: true, about: 'LayersModel folder that devices have' },
  chain: CHAIN,
  recipe: {
    type: 'text',
    value: 'file',
    isRequired: true,
    about: 'ES module that exports data, loss and metrics',
  },
  batchSize: { type: 'number', value: 'n', about: 'Examples per step; default: from the recipe' },
  backend: BACKEND,
} as const satisfies Flags;

/** Flags of a command that trains diffs. */
export const TRAINING_FLAGS = {
  ...RECIPE_FLAGS,
  epochs: { type: 'number', value: 'n', about: 'Epochs of the diff; default: from the recipe' },
  learningRate: {
    type: 'number',
    value: 'rate',
    about: 'Peak learning rate of the diff; default: from the recipe',
  },
} as const satisfies Flags;

/** Flags of a command that measures payloads. */
export const MEASURE_FLAGS = {
  chain: CHAIN,
  next: {
    type: 'text',
    value: 'model',
    about: 'Full fine-tune to compare with, as neural-diff fine-tune writes it',
  },
  recipe: {
    type: 'text',
    value: 'file',
    about: 'ES module whose test data give the accuracy; without it, only sizes and times are measured',
  },
  seed: SEED,
  backend: BACKEND,
} as const satisfies Flags;

/** What is to be measured. */
export type MeasureFlags = FlagsOf<typeof MEASURE_FLAGS>;

/** Flags of a command on a model that is updated in place. */
export const UPDATER_FLAGS = {
  model: {
    type: 'text',
    value: 'model',
    isRequired: true,
    about: 'Model on this device, updated in place: a file, or a folder with one',
  },
  updates: {
    type: 'text',
    value: 'folder',
    about: "Folder of the updater's state, relative to the model's folder; default: MODEL.updates",
  },
} as const satisfies Flags;

/** Days until a release expires, unless others are given. */
export const RELEASE_DAYS = 180;

/** Flags that say what is released. */
export const DRAFT_FLAGS = {
  base: {
    type: 'text',
    value: 'model',
    about: 'Model that the payload is for; without it, the file is a whole model',
  },
  next: { type: 'text', value: 'fingerprint', about: 'Fingerprint that the result must have' },
  name: { type: 'text', value: 'name', about: 'Name of the release; default: name of the file' },
  counter: {
    type: 'number',
    value: 'n',
    about: 'Number of the release; devices refuse lower ones than they have',
  },
  expires: {
    type: 'text',
    value: 'days',
    about: `Days until the release expires, or by role: release=180,timestamp=14; default: ${RELEASE_DAYS}`,
  },
  deviceClass: {
    type: 'text',
    value: 'class',
    isRepeated: true,
    about: 'Class of devices that it is for; may be repeated; default: all devices',
  },
  metric: {
    type: 'text',
    value: 'name=value',
    isRepeated: true,
    about: 'Metric of the model, as accuracy=0.963; may be repeated',
  },
  golden: { type: 'text', value: 'file', about: 'File of inputs with expected outputs' },
  allowRollbackFrom: {
    type: 'number',
    value: 'n',
    about: 'Highest counter from which devices may go back to this release',
  },
} as const satisfies Flags;
