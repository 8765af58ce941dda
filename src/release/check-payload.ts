import { hex } from '../model/index.js';
import { refuse } from './refusals.js';
import { Sha256Stream } from './sha256.js';
import type { SignedFile } from './statement.js';

/** A file in one piece, or as it comes: pieces of any length, read once, in order. */
export type FileContent = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Checks that a file is the one that was signed: length and SHA-256, nothing else of it is looked at. Takes memory for one
 * piece alone, and stops at the first byte too many.
 *
 * @param content the file
 * @param file a statement, its golden inputs, or a target
 * @throws NeuralDiffError `payload-mismatch`; whatever reading throws
 */
export async function checkPayload(
  content: FileContent,
  { name, bytes, sha256 }: Pick<SignedFile, 'bytes' | 'sha256'> & { readonly name?: string },
): Promise<void> {
  const doing = name === undefined ? 'Cannot use file' : `Cannot use "${name}"`;
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
    throw refuse('payload-mismatch', `${doing}: expected ${bytes} bytes as signed, got ${found}`, facts);
  }
  const found = hex(hash.finish());
  if (found === sha256) return;
  const message = `${doing}: expected SHA-256 ${sha256} as signed, got ${found}`;
  throw refuse('payload-mismatch', message, { expected: sha256, found });
}
