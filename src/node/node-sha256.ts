import { hash } from 'node:crypto';
import { type Sha256, sha256 } from '../model/fingerprint.js';

/** Longest input that is hashed at once: the runtime's own SHA-256, in another thread, costs more to call. */
const SHORT_BYTES = 2 ** 14;

/** SHA-256 for commands: fast for short inputs too, as models of many small tensors have them. */
export const nodeSha256: Sha256 = (bytes) => {
  if (bytes.length > SHORT_BYTES) return sha256(bytes);
  // A string of one letter a byte is the fastest of the forms that Node.js returns.
  const digits = hash('sha256', bytes, 'binary');
  const digest = new Uint8Array(digits.length);
  for (let i = 0; i < digest.length; i++) digest[i] = digits.charCodeAt(i);
  return digest;
};
