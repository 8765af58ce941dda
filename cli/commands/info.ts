import type { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { byteLength, totalBytes, totalElements } from '../../src/model/tensor.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { readDiff, tensorsFor } from '../../src/payload/decode.js';
import { isSet, type Op } from '../../src/payload/diff.js';
import { type OpenPayload, openPayload } from '../../src/payload/open-payload.js';
import type { ModelPort } from '../../src/recipe/model-ports.js';
import { type CommonFlags, defineCommand } from '../command.js';
import { remarkInterrupted } from '../interrupted.js';
import { countOf, formatBytes, formatShare, type Io, printResult } from '../io.js';
import { withModel, withPayload } from '../open.js';

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Show the contents of a payload or a model',
  details: [
    'For a payload: its size, the fingerprints of both models, its records and metadata and, with ' +
      '--base, the tensors that each record changes and how many tensors stay unchanged. For a model: ' +
      'its fingerprint and tensors, the inputs and outputs of ONNX files and GraphModels, and how much ' +
      'of the file is outside the tensors.',
  ],
  args: { file: { type: 'string', isRequired: true, description: 'Payload file, or a model' } },
  flags: {
    base: {
      type: 'string',
      placeholder: 'model',
      description: 'Base model of the payload, to show which tensors it changes',
    },
  },
  examples: [
    { description: 'Show a payload as JSON', run: 'info v2.ndiff --json' },
    { description: 'Show which tensors it changes', run: 'info v2.ndiff --base models/v1' },
    { description: 'List the tensors of a model', run: 'info models/v1.safetensors' },
  ],
  exits: { corruptPayload: 'The payload is damaged' },
  async handle(flags, io) {
    try {
      return await withPayload(flags.file, async (bytes) =>
        showPayload({ bytes, payload: await openPayload(bytes) }, flags, io),
      );
    } catch (error) {
      if (flags.base !== undefined || !NOT_A_PAYLOAD.includes((error as NeuralDiffError).code)) throw error;
      await showModel(flags.file, flags, io).catch((modelError: NeuralDiffError) => {
        throw modelError.code === 'bad-model' && !isModelName(flags.file) ? error : modelError;
      });
    }
  },
});

/** @returns whether a file is named as models are: then what is wrong with the model is of interest */
const isModelName = (path: string): boolean =>
  /\.(onnx|tflite|gguf|safetensors|json|h5|hdf5|keras|npz|npy)$/i.test(path);

/** Codes of a file that is not a payload, and may be a model. */
const NOT_A_PAYLOAD: readonly unknown[] = ['not-a-payload', 'file-unreadable', 'limit-exceeded'];

/** With a model that the payload was made for, also what it does to each tensor. */
async function showPayload(
  { bytes, payload }: { bytes: ByteSource; payload: OpenPayload },
  flags: CommonFlags & { readonly base?: string },
  io: Io,
): Promise<void> {
  const { header, records } = payload;
  const payloadBytes = bytes.length;
  const model =
    flags.base === undefined || payload.files
      ? undefined
      : await describeModel(payload, { base: flags.base, payloadBytes });
  // Loaded for payloads that make files alone.
  const made = payload.files && (await (await import('../new-files.js')).describeMade(payload, flags.base));
  const json = {
    payloadBytes,
    base: header.base,
    next: header.next,
    ...(header.layout !== undefined && { layout: header.layout.toString(16).padStart(8, '0') }),
    records: records.map((record) => ({ kind: record.kind, bytes: record.bytes.length })),
    ...model,
    ...(made && { files: made.facts }),
    meta: header.meta,
  };
  const size = model ? `: ${countOf(model.tensors, 'tensor')}, ${countOf(model.weights, 'weight')}` : '';
  const share = model ? `, ${formatShare(model.share)} of the float32 model` : '';
  const lines = [
    `payload      ${formatBytes(payloadBytes)}${share}`,
    `base         ${json.base}`,
    `next         ${json.next}`,
    ...(json.layout === undefined ? [] : [`layout       ${json.layout}${size}`]),
    ...(made?.lines ?? []),
    ...json.records.map((record) => `record       ${record.kind.padEnd(9)}${formatBytes(record.bytes)}`),
    ...(model?.ops.map((op) => `op           ${formatOp(op)}`) ?? []),
    ...(model ? [`unchanged    ${model.unchanged} of ${model.tensors} tensors have no op`] : []),
    ...Object.entries(json.meta).map(([key, value]) => `meta         ${key}: ${JSON.stringify(value)}`),
  ];
  printResult(io, flags, { json, lines });
}

/** An op as it is printed. */
interface OpFacts {
  readonly kind: Op['kind'];
  readonly tensors: readonly string[];
  readonly [fact: string]: unknown;
}

async function describeModel(
  payload: OpenPayload,
  { base, payloadBytes }: { base: string; payloadBytes: number },
) {
  const { tensors } = await withModel({ path: base }, (store) => tensorsFor(payload, store));
  const { ops } = await readDiff(payload, tensors);
  const weights = totalElements(tensors);
  const share = payloadBytes / (4 * weights);
  const facts = ops.map(factsOf);
  const changed = new Set(facts.flatMap((op) => op.tensors));
  return { share, tensors: tensors.length, weights, ops: facts, unchanged: tensors.length - changed.size };
}

function factsOf(op: Op): OpFacts {
  if (op.kind !== 'hash') {
    if (isSet(op)) return { kind: op.kind, tensors: [op.tensor], bytes: op.bytes.length };
    if (op.kind === 'low-rank') return { kind: op.kind, tensors: [op.tensor], rank: op.scales.length };
    const { kind, tensor, levels } = op;
    const facts = { kind, tensors: [tensor], changed: levels.length };
    return kind === 'exact' ? facts : { ...facts, scale: op.scale };
  }
  const { kind, seed, block, buckets } = op;
  const tensors = op.tensors.map((hashed) => hashed.tensor);
  return { kind, tensors, buckets: buckets.values.length, coding: buckets.coding, block, seed };
}

function formatOp({ kind, tensors, ...facts }: OpFacts): string {
  const details = Object.entries(facts).map(([name, value]) => {
    return `${name} ${typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(4) : value}`;
  });
  return `${kind.padEnd(9)}${details.join(', ')}  ${tensors.map((name) => JSON.stringify(name)).join(' ')}`;
}

/** Prints a model's fingerprint and tensors, and which of them cannot be written. */
async function showModel(path: string, flags: CommonFlags, io: Io): Promise<void> {
  const interrupted = await remarkInterrupted(path, flags, io);
  const { outside, ...found } = await withModel({ path }, async (store) => {
    const { tensors, readOnly = new Set() } = store;
    const outside = await store.outside?.();
    return { tensors, readOnly, outside, fingerprint: await fingerprint(store, { signal: io.signal }) };
  });
  const tensors = found.tensors.map((info) => {
    const facts = { name: info.name, dtype: info.dtype, shape: info.shape, bytes: byteLength(info) };
    return found.readOnly.has(info.name) ? { ...facts, readOnly: true } : facts;
  });
  // Loaded for models alone.
  const { readPorts } = await import('../../src/recipe/model-ports.js');
  const ports = await readPorts(path);
  const [weights, modelBytes] = [totalElements(found.tensors), totalBytes(found.tensors)];
  const lines = [
    `model        ${formatBytes(modelBytes)}: ${countOf(tensors.length, 'tensor')}, ${countOf(weights, 'weight')}`,
    `fingerprint  ${found.fingerprint}`,
    ...(outside
      ? [`outside      ${formatBytes(outside.bytes)} of graph and metadata, which no payload changes`]
      : []),
    ...(ports?.inputs.map((port) => `input        ${formatPort(port)}`) ?? []),
    ...(ports?.outputs.map((port) => `output       ${formatPort(port)}`) ?? []),
    ...tensors.map(
      (tensor) => `tensor       ${formatPort(tensor)}${'readOnly' in tensor ? '  read only' : ''}`,
    ),
  ];
  const json = {
    fingerprint: found.fingerprint,
    modelBytes,
    weights,
    outside,
    ...ports,
    tensors,
    ...interrupted,
  };
  printResult(io, flags, { json, lines });
}

function formatPort({ name, dtype = 'unknown', shape }: ModelPort): string {
  const sizes = shape?.map((size) => size ?? 'any').join(', ') ?? 'any rank';
  return `${`${dtype}[${sizes}]`.padEnd(24)} ${JSON.stringify(name)}`;
}
