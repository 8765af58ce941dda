import { hex } from '../model/bytes.js';
import { Sha256Stream } from '../model/sha256-stream.js';
import { refuse } from './limits.js';
import type { SignedFile } from './statement.js';

/** A file as one array or as a sequence of pieces of any length, which is read once. */
export type FileContent = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Checks a file's length and SHA-256 against the signed values.
 *
 * Holds one piece in memory, and stops reading when the file is too long.
 *
 * @param content the file
 * @param file the signed values: a statement, its golden inputs, or a target
 * @throws NeuralDiffError `payload-mismatch`; any error of reading
 */
export async function checkPayload(
  content: FileContent,
  { name, bytes, sha256 }: Pick<SignedFile, 'bytes' | 'sha256'> & { readonly name?: string },
): Promise<void> {
  const prefix = name === undefined ? 'Cannot use file' : `Cannot use "${name}"`;
  const hash = new Sha256Stream();
  let got = 0;
  for await (const piece of content instanceof Uint8Array ? [content] : content) {
    got += piece.length;
    if (got > bytes) break;
    hash.add(piece);
  }
  if (got !== bytes) {
    const facts = { expected: bytes, found: got };
    const found = got > bytes ? 'more' : got;
    throw refuse('payload-mismatch', `${prefix}: expected ${bytes} bytes as signed, got ${found}`, facts);
  }
  const found = hex(hash.finish());
  if (found === sha256) return;
  const message = `${prefix}: expected SHA-256 ${sha256} as signed, got ${found}`;
  throw refuse('payload-mismatch', message, { expected: sha256, found });
}
