import { fingerprint, hex, type Model, openMemoryStore } from '../model/index.js';
import { encodePayload } from '../payload/encode.js';
import { type Diff, decodePayload, type Meta, patchRange, tensorsOf } from '../payload/index.js';

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

/** @returns a model with the diff applied; tensors that it does not touch are shared with the base */
export function patchModel(base: Model, diff: Diff): Model {
  const touched = new Set(diff.ops.flatMap(tensorsOf));
  const tensors = base.tensors.map((tensor) => {
    if (!touched.has(tensor.name)) return tensor;
    const bytes = tensor.bytes.slice();
    patchRange(diff.ops, tensor, { startElement: 0, bytes });
    return { ...tensor, bytes };
  });
  return { tensors };
}
