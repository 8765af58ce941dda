import type { NeuralDiffError } from '../../src/model/errors.js';
import { totalElements } from '../../src/model/tensor.js';
import { readPayload } from '../../src/node/read-payload.js';
import { type OpenPayload, openPayload, readDiff } from '../../src/payload/decode.js';
import type { Op } from '../../src/payload/diff.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult } from '../io.js';
import { withModel } from '../with-model.js';
import { runModelInfo } from './info-model.js';

/** Flags of `neural-diff info`. */
export interface InfoFlags extends CommonFlags {
  readonly file: string;
  readonly base?: string;
}

/** What reading a payload ends with where the file is none. */
const NO_PAYLOAD: readonly unknown[] = ['not-a-payload', 'file-unreadable', 'limit-exceeded'];

/** Prints what a payload, or a model, says of itself. */
export async function runInfo(flags: InfoFlags, io: Io): Promise<void> {
  try {
    const bytes = await readPayload(flags.file);
    return await runPayloadInfo({ bytes, payload: await openPayload(bytes) }, flags, io);
  } catch (error) {
    if (flags.base !== undefined || !NO_PAYLOAD.includes((error as NeuralDiffError).code)) throw error;
    await runModelInfo(flags.file, flags, io).catch((modelError: NeuralDiffError) => {
      throw modelError.code === 'bad-model' ? error : modelError;
    });
  }
}

/** With a model that the payload was made for, also what it does to which tensor. */
async function runPayloadInfo(
  { bytes, payload }: { bytes: Uint8Array; payload: OpenPayload },
  flags: InfoFlags,
  io: Io,
): Promise<void> {
  const { header, records } = payload;
  const model =
    flags.base === undefined
      ? undefined
      : await describeModel(payload, { base: flags.base, payloadBytes: bytes.length });
  const json = {
    payloadBytes: bytes.length,
    base: header.base,
    next: header.next,
    layout: header.layout.toString(16).padStart(8, '0'),
    records: records.map((record) => ({ kind: record.kind, bytes: record.bytes.length })),
    ...model,
    meta: header.meta,
  };
  const lines = [
    `payload      ${formatBytes(bytes.length)}${model ? `, ${formatShare(model.share)} of the float32 model` : ''}`,
    `base         ${json.base}`,
    `next         ${json.next}`,
    `layout       ${json.layout}${model ? `: ${model.tensors} tensors, ${model.weights} weights` : ''}`,
    ...json.records.map(({ kind, bytes }) => `record       ${kind.padEnd(7)}${formatBytes(bytes)}`),
    ...(model?.ops.map((op) => `op           ${formatOp(op)}`) ?? []),
    ...Object.entries(json.meta).map(([key, value]) => `meta         ${key}: ${JSON.stringify(value)}`),
  ];
  printResult(io, flags, { json, lines });
}

/** An op as `info` shows it. */
interface OpFacts {
  readonly kind: Op['kind'];
  readonly tensors: readonly string[];
  readonly [fact: string]: unknown;
}

async function describeModel(
  payload: OpenPayload,
  { base, payloadBytes }: { base: string; payloadBytes: number },
) {
  const { tensors } = await withModel({ path: base }, async (store) => ({ tensors: store.tensors }));
  const { ops } = await readDiff(payload, tensors);
  const weights = totalElements(tensors);
  const share = payloadBytes / (4 * weights);
  return { share, tensors: tensors.length, weights, ops: ops.map(factsOf) };
}

function factsOf(op: Op): OpFacts {
  if (op.kind !== 'hash') {
    if (op.kind === 'set') return { kind: op.kind, tensors: [op.tensor], bytes: op.bytes.length };
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
  return `${kind.padEnd(7)}${details.join(', ')}  ${tensors.map((name) => JSON.stringify(name)).join(' ')}`;
}
