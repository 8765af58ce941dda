import type { Argv } from 'yargs';

export const MODEL_ARGUMENT = {
  type: 'string',
  demandOption: true,
  describe: 'LayersModel folder, safetensors, ONNX, TFLite, GGUF, Keras, HDF5, NumPy',
} as const;

export const PAYLOAD_ARGUMENT = { type: 'string', demandOption: true, describe: 'Payload file' } as const;

export const CHAIN_OPTION = {
  type: 'string',
  describe: 'Payloads that devices have applied to the base, commas between',
} as const;

export const SEED_OPTION = { type: 'number', describe: 'By default one of its own for every base' } as const;

export const BACKEND_OPTION = {
  choices: ['wasm', 'cpu'],
  default: 'wasm',
  describe: 'TensorFlow.js backend',
} as const;

/** Flags of every command that writes. */
export function withOutput(parser: Argv, describe: string, { isRequired = true } = {}): Argv {
  return parser
    .option('out', { alias: 'o', type: 'string', demandOption: isRequired, describe })
    .option('force', { alias: 'f', type: 'boolean', default: false, describe: 'Replace an existing output' })
    .option('dry-run', { type: 'boolean', default: false, describe: 'Check everything, write nothing' });
}
