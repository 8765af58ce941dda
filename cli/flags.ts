import type { Flags, FlagsOf } from './command.js';

/** Flags of every command. */
export const COMMON_FLAGS = {
  json: { type: 'boolean', description: 'Print one JSON document on stdout' },
  quiet: { type: 'boolean', short: 'q', description: 'Suppress progress and remarks on stderr' },
} as const satisfies Flags;

/** A model on disk. */
export const MODEL = {
  type: 'string',
  isRequired: true,
  description:
    'Model: a LayersModel or GraphModel folder, safetensors, ONNX, TFLite, GGUF, Keras, HDF5 or NumPy',
} as const;

/** A payload on disk. */
export const PAYLOAD = { type: 'string', isRequired: true, description: 'Payload file' } as const;

export const DRY_RUN = { type: 'boolean', description: 'Check everything, write nothing' } as const;

export const FORCE = { type: 'boolean', short: 'f', description: 'Replace an existing output' } as const;

/** @returns flags of a command that writes one output, which must be named */
export function outputFlags<const Name extends string>(placeholder: Name, description: string) {
  const out = { type: 'string', placeholder, short: 'o', isRequired: true, description } as const;
  return { out, force: FORCE, dryRun: DRY_RUN } as const;
}

/** @returns flags of a command whose output may be left unnamed */
export function optionalOutputFlags<const Name extends string>(placeholder: Name, description: string) {
  const out = { type: 'string', placeholder, short: 'o', description } as const;
  return { out, force: FORCE, dryRun: DRY_RUN } as const;
}

/** Values of the flags of a command that writes one output. */
export type OutputFlags = FlagsOf<ReturnType<typeof outputFlags>>;

export const CHAIN = {
  type: 'string',
  placeholder: 'files',
  isRepeated: true,
  description:
    'Payloads already applied to the base on devices, in order, separated by commas; may be repeated',
} as const;

export const SEED = {
  type: 'number',
  placeholder: 'n',
  description: 'Random seed; default: derived from the base',
} as const;

export const BACKEND = {
  type: 'string',
  choices: ['wasm', 'cpu'],
  default: 'wasm',
  description: 'TensorFlow.js backend',
} as const;

/** How a command shows its progress. */
export const PROGRESS = {
  type: 'string',
  choices: ['text', 'json'],
  default: 'text',
  description:
    'Progress on stderr; json: one object per line with phase, done, total, seconds, and name of the job',
} as const;

/** The store of a farm. */
export const STORE = {
  type: 'string',
  placeholder: 'folder',
  description: 'Folder shared by the machines of the farm, or s3://bucket/prefix',
} as const;

/** Where jobs of a farm are unpacked. */
export const WORK = {
  type: 'string',
  placeholder: 'folder',
  default: '.neural-diff',
  description:
    'Folder for copies of models and recipes; packages that recipes import are resolved from there',
} as const;

const VERBOSE = {
  type: 'boolean',
  description: 'Print stack traces of errors, including errors in the recipe',
} as const;

/** Flags of a command that needs a recipe. */
export const RECIPE_FLAGS = {
  base: {
    type: 'string',
    placeholder: 'model',
    isRequired: true,
    description: 'Model on the devices: a LayersModel or GraphModel folder, or an ONNX file',
  },
  chain: CHAIN,
  recipe: {
    type: 'string',
    placeholder: 'file',
    isRequired: true,
    description: 'ES module that exports data, loss and metrics',
  },
  only: {
    type: 'string',
    placeholder: 'pattern',
    isRepeated: true,
    description:
      'Train only tensors with matching names, such as head/*; may be repeated; default: from the recipe',
  },
  freeze: {
    type: 'string',
    placeholder: 'pattern',
    isRepeated: true,
    description: 'Leave tensors with matching names unchanged; may be repeated; default: from the recipe',
  },
  batchSize: { type: 'number', placeholder: 'n', description: 'Examples per step; default: from the recipe' },
  backend: BACKEND,
  progress: PROGRESS,
  verbose: VERBOSE,
} as const satisfies Flags;

/** Flags of a command that trains diffs. */
export const TRAINING_FLAGS = {
  ...RECIPE_FLAGS,
  full: {
    type: 'string',
    placeholder: 'model',
    description: 'Full fine-tune to start from, written by neural-diff fine-tune; default: trained first',
  },
  epochs: { type: 'number', placeholder: 'n', description: 'Epochs for the diff; default: from the recipe' },
  learningRate: {
    type: 'number',
    placeholder: 'rate',
    description: 'Peak learning rate for the diff; default: from the recipe',
  },
} as const satisfies Flags;

/** Flags of a command that measures payloads. */
export const MEASURE_FLAGS = {
  chain: CHAIN,
  next: {
    type: 'string',
    placeholder: 'model',
    description: 'Full fine-tune to compare with, written by neural-diff fine-tune',
  },
  recipe: {
    type: 'string',
    placeholder: 'file',
    description:
      'ES module with test data to measure accuracy on; without it, only sizes and times are measured',
  },
  seed: SEED,
  backend: BACKEND,
  progress: PROGRESS,
  verbose: VERBOSE,
} as const satisfies Flags;

/** Values of the flags of a command that measures payloads. */
export type MeasureFlags = FlagsOf<typeof MEASURE_FLAGS>;

/** Flags of a command on a model that is updated in place. */
export const UPDATER_FLAGS = {
  model: {
    type: 'string',
    placeholder: 'model',
    isRequired: true,
    description: 'Model on this device, updated in place: a file, or a folder containing one',
  },
  updates: {
    type: 'string',
    placeholder: 'folder',
    description: "Folder for the updater's state, relative to the model's folder; default: MODEL.updates",
  },
} as const satisfies Flags;

/** Days until a release expires, by default. */
export const RELEASE_DAYS = 180;

/** Flags that describe a release. */
export const DRAFT_FLAGS = {
  base: {
    type: 'string',
    placeholder: 'model',
    description: 'Base model of the payload; without it, the file is a whole model',
  },
  next: { type: 'string', placeholder: 'fingerprint', description: 'Required fingerprint of the result' },
  name: {
    type: 'string',
    placeholder: 'name',
    description: 'Name of the release; default: the file name',
  },
  counter: {
    type: 'number',
    placeholder: 'n',
    description: 'Release number; devices refuse a lower number than they have',
  },
  expires: {
    type: 'string',
    placeholder: 'days',
    description: `Days until the release expires, or by role: release=180,timestamp=14; default: ${RELEASE_DAYS}`,
  },
  deviceClass: {
    type: 'string',
    placeholder: 'class',
    isRepeated: true,
    description: 'Device class that the release is for; may be repeated; default: all devices',
  },
  metric: {
    type: 'string',
    placeholder: 'name=value',
    isRepeated: true,
    description: 'Metric of the model, such as accuracy=0.963; may be repeated',
  },
  golden: { type: 'string', placeholder: 'file', description: 'File with inputs and expected outputs' },
  allowRollbackFrom: {
    type: 'number',
    placeholder: 'n',
    description: 'Highest counter from which devices may roll back to this release',
  },
} as const satisfies Flags;
