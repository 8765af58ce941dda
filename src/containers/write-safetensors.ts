import { NeuralDiffError } from '../model/errors.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, DTYPES, type DType, type TensorInfo, totalBytes } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';
import { type EncodedFile, readPieces } from './encoded-file.js';
import { MAX_HEADER_BYTES, METADATA_KEY, TYPES } from './safetensors.js';

/** Headers are padded to this many bytes, as the format's reference writer does. */
const ALIGNMENT = 8;

/**
 * Encodes a model as a safetensors file: the same tensors by name, dtype, shape and bytes, so the same
 * fingerprint. Tensors are in the order of the format's reference writer, large elements first, so that each
 * is aligned.
 *
 * @param store the model; read while the pieces are
 * @throws NeuralDiffError `unsupported-model` for a tensor named `__metadata__`, and for more names than a
 *   header may hold
 */
export function encodeSafetensors(store: WeightStore): EncodedFile {
  const tensors = [...store.tensors].sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  const header = encodeHeader(tensors);
  return { bytes: header.length + totalBytes(tensors), pieces: piecesOf(store, tensors, header) };
}

async function* piecesOf(
  store: WeightStore,
  tensors: readonly TensorInfo[],
  header: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const info of tensors) yield* readPieces(store, info);
}

/** @returns the length of the header, and the header */
function encodeHeader(tensors: readonly TensorInfo[]): Uint8Array {
  let at = 0;
  const entries = tensors.map((info) => {
    if (info.name === METADATA_KEY) throw unsupported(`"${METADATA_KEY}" cannot be the name of a tensor`);
    const offsets = [at, at + byteLength(info)];
    at += byteLength(info);
    const entry = { dtype: nameOf(info.dtype), shape: info.shape, data_offsets: offsets };
    return `${JSON.stringify(info.name)}:${JSON.stringify(entry)}`;
  });
  const text = encodeUtf8(`{${entries.join(',')}}`);
  const length = ALIGNMENT * Math.ceil(text.length / ALIGNMENT);
  if (length > MAX_HEADER_BYTES)
    throw unsupported(`expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${length}`);
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

/** @returns the format's name of a dtype */
function nameOf(dtype: DType): string {
  const found = Object.entries(TYPES).find(([, type]) => type.dtype === dtype && type.bytes === undefined);
  return (found as [string, unknown])[0];
}

function unsupported(what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot write the model as safetensors: ${what}`);
}
