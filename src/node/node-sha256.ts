import { createHash } from 'node:crypto';
import { type Sha256, sha256 } from '../model/fingerprint.js';

/** Longest input that is hashed at once: the runtime's own SHA-256, in another thread, costs more to call. */
const SHORT_BYTES = 2 ** 14;

/** SHA-256 for commands: fast for short inputs too, as models of many small tensors have them. */
export const nodeSha256: Sha256 = async (bytes) => {
  if (bytes.length > SHORT_BYTES) return sha256(bytes);
  const digest = createHash('sha256').update(bytes).digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
};
