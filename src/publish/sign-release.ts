import { encodeStatement, type ReleaseStatement } from '../release/index.js';
import { type Signer, signedBy } from './keys.js';
import { proveRelease, type ReleaseDraft } from './prove-release.js';

/** Ending of a detached release beside its payload. */
export const RELEASE_ENDING = '.release.json';

/**
 * Proves a release and signs it as a file of its own, for devices that trust keys without a repository.
 *
 * @returns the statement, and the file for `verifyRelease`
 * @throws NeuralDiffError as `proveRelease`
 */
export async function signRelease(
  draft: ReleaseDraft,
  signers: readonly Signer[],
): Promise<{ statement: ReleaseStatement; file: Uint8Array }> {
  const statement = await proveRelease(draft);
  return { statement, file: await signStatement(statement, signers) };
}

/** Signs a statement that was proved. @returns canonical JSON */
export async function signStatement(
  statement: ReleaseStatement,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  return signedBy(signers, encodeStatement(statement));
}
