import { canonicalOrder, hex, type TensorInfo } from '../model/index.js';
import { encodePayload } from '../payload/encode.js';
import {
  type Meta,
  type Op,
  type OpenPayload,
  openPayload,
  type PayloadHeader,
  readDiff,
} from '../payload/index.js';
import { checkChain } from './check-chain.js';
import { mergeOps } from './merge-ops.js';

/** What composing takes beside the payloads. */
export interface ComposeOptions {
  /** The tensors of the model that the payloads are for, in any order. */
  readonly tensors: readonly TensorInfo[];
  /** Metadata of the composed payload; those of the last payload unless given. */
  readonly meta?: Meta;
}

/** Payloads in a row as one. */
export interface ComposedPayload {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits: base of the first, next of the last. */
  readonly base: string;
  readonly next: string;
  /** Bytes of the payloads that it stands for. */
  readonly partBytes: readonly number[];
}

/**
 * Makes one payload of payloads in a row: it turns the base of the first into the result of the last, bit for bit as
 * they do one after the other. Their ops are kept in order, one rounding each; those that merge without changing a bit
 * are merged where that makes the file smaller.
 *
 * @param payloads at least one, each made for the result of the one before
 * @returns the payload; nothing is applied, so try it on a base before it is shipped
 * @throws NeuralDiffError `broken-chain`; `wrong-layout` for tensors of another model; `limit-exceeded` for too many ops;
 *   the payloads' own codes
 *
 * @example
 * const { payload } = await composePayloads([first, second], { tensors: store.tensors });
 */
export async function composePayloads(
  payloads: readonly Uint8Array[],
  options: ComposeOptions,
): Promise<ComposedPayload> {
  if (payloads.length === 0) throw new RangeError('Cannot compose payloads: expected at least one');
  const parts: OpenPayload[] = [];
  for (const bytes of payloads) parts.push(await openPayload(bytes));
  const headers = parts.map(({ header }) => header);
  checkChain(headers);
  const ops: Op[] = [];
  for (const part of parts) ops.push(...(await readDiff(part, options.tensors)).ops);
  const [{ base }, { next, meta }] = [headers[0] as PayloadHeader, headers.at(-1) as PayloadHeader];
  const tensors = canonicalOrder(options.tensors);
  const facts = { base, next, tensors, meta: options.meta ?? meta };
  const candidates = [
    await encodePayload(facts, { ops }),
    await encodePayload(facts, { ops: mergeOps(ops, tensors) }),
  ];
  const [plain, merged] = candidates as [Uint8Array, Uint8Array];
  const payload = merged.length < plain.length ? merged : plain;
  await openPayload(payload);
  const partBytes = payloads.map((bytes) => bytes.length);
  return { payload, base: hex(base), next: hex(next), partBytes };
}
