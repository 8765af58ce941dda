import { extname, join } from 'node:path';
import type { EncodedFile } from '../../src/containers/encoded-file.js';
import { encodeLayers } from '../../src/containers/write-layers.js';
import { encodeNpz } from '../../src/containers/write-npz.js';
import { encodeSafetensors } from '../../src/containers/write-safetensors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { MAX_MANIFEST_BYTES } from '../../src/model/limits.js';
import type { WeightStore } from '../../src/model/store.js';
import { nodeSha256 } from '../../src/node/node-sha256.js';
import { locateModel } from '../../src/node/open-model.js';
import { checkOutput } from '../../src/node/output.js';
import { readWhole } from '../../src/node/read-whole.js';
import { writeEncoded } from '../../src/node/write-encoded.js';
import { defineCommand } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { DRY_RUN, FORCE, MODEL, PROGRESS } from '../flags.js';
import { remarkInterrupted } from '../interrupted.js';
import { printResult, remarkWritten } from '../io.js';
import { withModel } from '../open.js';
import { byteProgress } from '../progress.js';

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Convert a model to another container with the same fingerprint',
  details: [
    'Writes safetensors, an uncompressed NumPy archive, or a LayersModel or GraphModel folder. Checks that ' +
      'names, types, shapes and bytes of the tensors are the same before the output appears. Everything ' +
      'else (graph, texts, metadata) is left out; a folder gets the graph of the model or of --topology.',
  ],
  args: {
    model: MODEL,
    out: {
      type: 'string',
      isRequired: true,
      description: 'File to write, ending in .safetensors or .npz; any other name is a folder',
    },
  },
  flags: {
    topology: {
      type: 'string',
      placeholder: 'model',
      description:
        "For a folder: model.json of the same architecture, or its folder; default: the model's own, if it has one",
    },
    force: FORCE,
    dryRun: DRY_RUN,
    progress: PROGRESS,
  },
  examples: [
    { description: 'Convert a LayersModel to safetensors', run: 'convert models/v2 v2.safetensors' },
    {
      description: 'Make a LayersModel from weights and the graph of an older one',
      run: 'convert v2.safetensors models/v2 --topology models/v1',
    },
  ],
  exits: { wrongBase: 'The topology does not match the tensors' },
  async handle(flags, io) {
    const { model, out, force, dryRun } = flags;
    const format = formatOf(out);
    if (format !== 'tfjs' && flags.topology !== undefined)
      throw new UsageError(`Cannot use --topology for "${out}": only a folder has a graph`);
    await checkOutput(out, { force });
    const interrupted = await remarkInterrupted(model, flags, io);
    const progress = byteProgress(io, flags);
    const json = await withModel({ path: model }, async (store) => {
      const files = await encode(store, flags);
      const options = { sha256: nodeSha256, signal: io.signal, onProgress: progress.report };
      const next = await fingerprint(store, options);
      const { folder, file } = await locateModel(model);
      const paths =
        format === 'tfjs'
          ? { from: folder, to: out, files: [...files.keys()], force }
          : { from: join(folder, file), to: out, force };
      if (!dryRun) await writeEncoded(paths, { files, next, signal: io.signal });
      const bytes = [...files.values()].reduce((sum, each) => sum + each.bytes, 0);
      return { out, format, bytes, fingerprint: next, tensors: store.tensors.length };
    }).finally(() => progress.finish());
    const remarks = { ...interrupted, ...(dryRun && { dryRun }) };
    printResult(io, flags, { json: { ...json, ...remarks }, lines: [json.fingerprint] });
    remarkWritten(io, flags, json);
  },
});

type Format = 'safetensors' | 'npz' | 'tfjs';

/** @throws UsageError for the ending of a container that is not written */
function formatOf(out: string): Format {
  const ending = extname(out).slice(1);
  if (ending === 'safetensors' || ending === 'npz') return ending;
  if (!UNWRITTEN.includes(ending)) return 'tfjs';
  throw new UsageError(`Expected the output to end in .safetensors or .npz, or a folder, got "${out}"`);
}

/** Endings of files; others may be part of a folder's name, as in `model-1.2`. */
const UNWRITTEN = ['json', 'npy', 'onnx', 'tflite', 'gguf', 'h5', 'hdf5', 'keras', 'bin'];

/** @returns the files of a model in the container of an output */
async function encode(
  store: WeightStore,
  { model, out, topology }: { readonly model: string; readonly out: string; readonly topology?: string },
): Promise<ReadonlyMap<string, EncodedFile>> {
  const format = formatOf(out);
  if (format === 'safetensors') return new Map([[`model.${format}`, encodeSafetensors(store)]]);
  if (format === 'npz') return new Map([[`model.${format}`, encodeNpz(store)]]);
  const { folder, file } = await locateModel(topology ?? model);
  if (topology === undefined && !file.endsWith('.json'))
    throw new UsageError(
      `Expected --topology with a model.json for the folder "${out}": "${model}" has no graph`,
    );
  const path = join(folder, file);
  return encodeLayers(store, { bytes: await readWhole(path, MAX_MANIFEST_BYTES), path });
}
