import {
  canonicalOrder,
  FINGERPRINT_BYTES,
  fingerprint,
  hex,
  type Model,
  openMemoryStore,
  type TensorInfo,
} from '../model/index.js';
import { checkOp } from './check-op.js';
import { decodePayload } from './decode.js';
import { type Diff, type Meta, type Op, type PayloadHeader, tensorsOf } from './diff.js';
import { encodeRecords } from './encode-records.js';
import { framePayload, joinPieces } from './frame.js';
import { checkMeta, layoutOf } from './header.js';
import { patchModel } from './patch-model.js';

export { type Budget, float32Bytes, impossibleBudget, readBudget } from './budget.js';
export { type ChosenHead, chooseHead, HeadTrials } from './choose-head.js';
export { encodeRecords } from './encode-records.js';
export { type FramedPayload, framePayload, joinPieces } from './frame.js';
export { SetTrial, SetWriter, type SetWriterOptions } from './set-writer.js';
export { SparseWriter, type SparseWriterOptions } from './sparse-writer.js';

/** What an encoder needs to know beside the ops. */
export interface PayloadFacts extends Pick<PayloadHeader, 'base' | 'next' | 'meta'> {
  /** The model's tensors, in any order. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Packs a diff. The same facts and diff give the same bytes, on any machine.
 *
 * @param facts fingerprints of base and next, the model's tensors, metadata
 * @param diff the ops; the tensors of a hash op in canonical order
 * @returns the payload file
 * @throws RangeError for an op that names a tensor which the model does not have, or its tensors out of order, or has
 *   values out of range; for metadata that a reader would refuse
 */
export async function encodePayload(facts: PayloadFacts, diff: Diff): Promise<Uint8Array> {
  const infos = canonicalOrder(facts.tensors);
  checkInput(facts.meta, diff, infos);
  const records = encodeRecords(diff.ops, infos);
  const header = { base: facts.base, next: facts.next, meta: facts.meta, layout: await layoutOf(infos) };
  return joinPieces(framePayload(header, records));
}

/** A diff packed for a base, with the model that it gives. */
export interface PackedDiff {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits. */
  readonly base: string;
  readonly next: string;
  /** The model that the decoded payload makes of the base. */
  readonly model: Model;
}

/**
 * Packs a diff, then decodes the file and applies it to the base: what is returned, measured and promised by the
 * fingerprint is what devices will have.
 *
 * @param base the model on the devices
 * @param diff the diff
 * @param meta metadata of the payload
 */
export async function packDiff(base: Model, diff: Diff, meta: Meta = {}): Promise<PackedDiff> {
  const baseFingerprint = await fingerprint(openMemoryStore(base));
  const promised = await fingerprint(openMemoryStore(patchModel(base, diff)));
  const header = { base: baseFingerprint, next: promised, tensors: base.tensors, meta };
  const payload = await encodePayload(header, diff);
  const model = patchModel(base, (await decodePayload(payload, base.tensors)).diff);
  const next = hex(await fingerprint(openMemoryStore(model)));
  if (next !== hex(promised))
    throw new Error(`The packed diff gives ${next}, the diff itself ${hex(promised)}`);
  return { payload, base: hex(baseFingerprint), next, model };
}

/**
 * Computes the bytes that a diff takes as a payload file, without fingerprints and checksum being made.
 *
 * @param tensors the model's tensors, in canonical order
 * @param ops the ops, as `encodePayload` takes them
 * @param meta the metadata
 */
export function payloadBytes(tensors: readonly TensorInfo[], ops: readonly Op[], meta: Meta = {}): number {
  const records = encodeRecords(ops, tensors);
  const blank = new Uint8Array(FINGERPRINT_BYTES);
  const header = { base: blank, next: blank, layout: 0xffffffff, meta };
  return framePayload(header, records).payloadBytes;
}

/** What a reader would refuse is the caller's mistake here. */
function checkInput(meta: Meta, diff: Diff, tensors: readonly TensorInfo[]): void {
  try {
    checkMeta(meta);
  } catch (cause) {
    throw new RangeError(`Cannot pack metadata: ${(cause as Error).message}`, { cause });
  }
  const places = new Map(tensors.map((info, place) => [info.name, place]));
  for (const op of diff.ops) {
    const chosen = tensorsOf(op).map((name) => places.get(name) ?? unknownTensor(name));
    if (chosen.length === 0 || chosen.some((place, i) => i > 0 && place <= (chosen[i - 1] as number)))
      throw new RangeError('Cannot pack diff: expected the tensors of a hash op in canonical order');
    checkOp(
      op,
      chosen.map((place) => tensors[place] as TensorInfo),
    );
  }
}

function unknownTensor(name: string): never {
  throw new RangeError(`Cannot pack diff: the model has no tensor "${name}"`);
}
