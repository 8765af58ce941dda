import { decodePayload, hex, type Op, type Payload, totalElements } from '../../src/index.js';
import { readPayload } from '../../src/node/index.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult } from '../io.js';

/** Flags of `neural-diff info`. */
export interface InfoFlags extends CommonFlags {
  readonly payload: string;
}

/** Prints what a payload says of itself. */
export async function runInfo(flags: InfoFlags, io: Io): Promise<void> {
  const bytes = await readPayload(flags.payload);
  const payload = await decodePayload(bytes);
  const json = describe(payload, bytes.length);
  const lines = [
    `payload      ${formatBytes(bytes.length)}, ${formatShare(json.share)} of the float32 model`,
    `base         ${json.base}`,
    `next         ${json.next}`,
    `model        ${json.tensors} tensors, ${json.weights} weights`,
    ...json.ops.map((op) => `op           ${formatOp(op)}`),
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

function describe(payload: Payload, payloadBytes: number) {
  const { header, diff } = payload;
  const weights = totalElements(header.tensors);
  return {
    payloadBytes,
    share: payloadBytes / (4 * weights),
    base: hex(header.base),
    next: hex(header.next),
    tensors: header.tensors.length,
    weights,
    ops: diff.ops.map(factsOf),
    meta: header.meta,
  };
}

function factsOf(op: Op): OpFacts {
  if (op.kind !== 'hash') {
    const { kind, tensor, levels, bits, scale } = op;
    return { kind, tensors: [tensor], changed: levels.length, bits, scale };
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
