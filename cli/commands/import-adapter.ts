import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseStrictJson } from '../../src/containers/strict-json.js';
import { type ImportedAdapter, importAdapter } from '../../src/exact-diff/adapter/import-adapter.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { totalBytes } from '../../src/model/tensor.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { readWhole } from '../../src/node/read-whole.js';
import { defineCommand } from '../command.js';
import { outputFlags } from '../flags.js';
import { countOf, formatShare, printResult, remarkWritten } from '../io.js';
import { withModel } from '../open.js';
import { byteProgress } from '../progress.js';
import { readShare } from '../values.js';

/** Files that a folder with an adapter may have, by PEFT, diffusers and mlx. */
const ADAPTER_FILES = [
  'adapter_model.safetensors',
  'pytorch_lora_weights.safetensors',
  'adapters.safetensors',
];

/** Bytes of a configuration: they have some kilobytes. */
const MAX_CONFIG_BYTES = 2 ** 20;

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Make a payload from a LoRA adapter',
  details: [
    'Applied to the base, the payload merges the adapter into it, in place; its reverse, made by ' +
      'neural-diff reverse, removes the adapter again, bit for bit. Reads adapters from PEFT, diffusers, ' +
      'kohya-ss and mlx.',
  ],
  args: {
    adapter: {
      type: 'string',
      isRequired: true,
      description: 'Adapter: a safetensors file, or a folder with one; adapter_config.json next to it',
    },
  },
  flags: {
    base: {
      type: 'string',
      placeholder: 'model',
      isRequired: true,
      description: 'Model that the adapter was trained for, in float32, float16 or bfloat16',
    },
    ...outputFlags('file', 'Payload file to write; - for stdout'),
    config: {
      type: 'string',
      placeholder: 'file',
      description: 'Configuration of the adapter; default: adapter_config.json next to it',
    },
    bits: {
      type: 'number',
      placeholder: 'n',
      description: 'Bits per value, 4 to 16; default: as many as the dtypes of adapter and base require',
    },
    maxError: {
      type: 'string',
      placeholder: 'share',
      description:
        "Instead of --bits: largest error of each tensor's change, before rounding to the base's dtype: 1%",
    },
  },
  examples: [
    {
      description: 'Make a payload from a PEFT adapter',
      run: 'import-adapter adapters/de --base models/v1.safetensors -o v1-de.ndiff',
    },
    {
      description: 'Make a smaller one, and the payload that removes the adapter again',
      run: 'import-adapter adapters/de --base models/v1 --bits 8 -o v1-de.ndiff && neural-diff reverse v1-de.ndiff --base models/v1 -o de-v1.ndiff',
    },
  ],
  exits: { wrongBase: 'Modules of the adapter are missing from the base, or differ in shape' },
  async handle(flags, io) {
    const { out, force, dryRun, bits } = flags;
    const maxError = flags.maxError === undefined ? undefined : readShare('--max-error', flags.maxError);
    await checkOutput(out, { force });
    const path = await locateAdapter(flags.adapter);
    const config = await readConfigFile(flags.config ?? join(dirname(path), 'adapter_config.json'), {
      isOptional: flags.config === undefined,
    });
    const progress = byteProgress(io, flags);
    const work = { config, bits, maxError, signal: io.signal, onProgress: progress.report };
    try {
      await withModel({ path }, (adapter) =>
        withModel({ path: flags.base }, async (base) => {
          const imported = await importAdapter(adapter, base, work);
          const { payload, ...found } = imported;
          io.signal.throwIfAborted();
          if (!dryRun) await writeOutput(out, payload, { force });
          progress.finish();
          const sizes = {
            payloadBytes: payload.length,
            adapterBytes: totalBytes(adapter.tensors),
            modelBytes: totalBytes(base.tensors),
          };
          const json = { out, ...sizes, ...found, ...(dryRun && { dryRun }) };
          printResult(io, flags, { json, lines: describe(imported, sizes) });
          remarkWritten(io, flags, { out, bytes: payload.length });
        }),
      );
    } finally {
      progress.finish();
    }
  },
});

/** @returns the adapter's file, given it or its folder */
async function locateAdapter(path: string): Promise<string> {
  for (const name of ADAPTER_FILES) if (await isFile(join(path, name))) return join(path, name);
  return path;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readConfigFile(path: string, { isOptional }: { isOptional: boolean }): Promise<unknown> {
  try {
    return parseStrictJson(await readWhole(path, MAX_CONFIG_BYTES), path);
  } catch (error) {
    if (isOptional && error instanceof NeuralDiffError && error.code === 'file-not-found') return undefined;
    throw error;
  }
}

function describe(
  { tensors, replaced, base, next }: ImportedAdapter,
  sizes: { payloadBytes: number; adapterBytes: number; modelBytes: number },
): string[] {
  const { payloadBytes, adapterBytes, modelBytes } = sizes;
  const most = (of: (tensor: ImportedAdapter['tensors'][number]) => number): number =>
    Math.max(0, ...tensors.map(of));
  return [
    `payload    ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
    `adapter    ${adapterBytes} bytes; the payload takes ${formatShare(payloadBytes / adapterBytes)} of them`,
    `changed    ${countOf(tensors.length, 'tensor')} by products of rank ${most(({ rank }) => rank)} at most` +
      (replaced.length > 0 ? `, ${replaced.length} replaced` : ''),
    `error      at most ${formatShare(most(({ error }) => error))} of a tensor's change, ` +
      `${formatShare(most(({ rounding }) => rounding))} by rounding to the dtype alone`,
    `compared   with that sum rounded: at most ${most((tensor) => tensor.maxDifference).toPrecision(3)} apart, ` +
      `${formatShare(most(({ differing }) => differing))} of a tensor's weights differ`,
    `base       ${base}`,
    `result     ${next}`,
  ];
}
