import { NeuralDiffError } from '../../model/errors.js';
import { type FingerprintOptions, fingerprint } from '../../model/fingerprint.js';
import type { WeightStore } from '../../model/store.js';
import type { OpenPayload } from '../../payload/open-payload.js';
import { type Assembly, borrowFiles } from './assemble.js';
import { type FilesFacts, type Frame, openFrame, readBaseStructure } from './frame.js';

/** A base that was checked for a payload of files. */
export interface CheckedBase {
  readonly frame: Frame;
  /** The base's fingerprint. */
  readonly found: string;
  /** Whether the base already is the next model; it then has no structure. */
  readonly isCurrent: boolean;
  /** Bytes of the new files that belong to no tensor. */
  readonly structure: Uint8Array;
}

/**
 * Checks that a model is the base of a payload of files: its layout, its fingerprint, and the rest of its
 * files where the payload needs it. Reads the model once.
 *
 * @throws NeuralDiffError `wrong-layout`, `wrong-base`; those of reading payload and model
 */
export async function checkFilesBase(
  store: WeightStore,
  payload: OpenPayload,
  options: FingerprintOptions,
): Promise<CheckedBase> {
  const { base, next } = payload.header;
  const frame = await openFrame(store, payload);
  const found = await fingerprint(store, options);
  const nothing = new Uint8Array(0);
  if (found === next && base !== next) return { frame, found, isCurrent: true, structure: nothing };
  if (found !== base) {
    const facts = { expected: base, found };
    const message = `Cannot apply payload: expected a base with fingerprint ${base}, got ${found}`;
    throw new NeuralDiffError('wrong-base', message, { facts });
  }
  const known = await readBaseStructure(store, frame.record);
  return { frame, found, isCurrent: false, structure: frame.record.readStructure(known) };
}

/**
 * Makes the new files in memory, a piece at a time, and checks their SHA-256. Writes nothing.
 *
 * @returns the base's fingerprint, what would be made, and the bytes of it
 * @throws NeuralDiffError as `checkFilesBase`; `result-mismatch`
 */
export async function planFiles(
  store: WeightStore,
  payload: OpenPayload,
  options: Omit<Assembly, 'frame' | 'payload' | 'structure'> & FingerprintOptions,
): Promise<{ found: string; isCurrent: boolean; files: FilesFacts; bytesWritten: number }> {
  const { signal, ...rest } = options;
  const { frame, structure, found, isCurrent } = await checkFilesBase(store, payload, options);
  const files = frame.facts;
  if (isCurrent) return { found, isCurrent, files, bytesWritten: 0 };
  let bytesWritten = 0;
  const assembly = { ...rest, ...(signal && { signal }), frame, payload, structure };
  for await (const { bytes } of borrowFiles(assembly)) bytesWritten += bytes.length;
  return { found, isCurrent, files, bytesWritten };
}
