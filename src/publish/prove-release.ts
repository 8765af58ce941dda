import { planApply } from '../apply/plan.js';
import { openContainer } from '../containers/open-container.js';
import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint, sha256 } from '../model/fingerprint.js';
import { openMemoryFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { totalBytes } from '../model/tensor.js';
import { FORMAT_VERSION } from '../payload/header.js';
import { encodeStatement, type ReleaseStatement, type SignedFile } from '../release/statement.js';
import { type Signer, signedBy } from './keys.js';

/** What is to be released: a file, and what the maker says of it. */
export interface ReleaseDraft {
  /** Name that the file is published under. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The model that a payload is for; without one, the file is a whole model. */
  readonly base?: WeightStore | undefined;
  /** Fingerprint that must come of it, 32 hexadecimal digits; not compared unless given. */
  readonly next?: string;
  /** From 1; not below that of the release that devices have. */
  readonly counter: number;
  readonly expires: Date;
  readonly deviceClasses?: readonly string[];
  readonly metrics?: Readonly<Record<string, number>>;
  /** Inputs with expected outputs. */
  readonly golden?: { readonly name: string; readonly bytes: Uint8Array };
  /** Devices whose counter is at most this may go back to the release. */
  readonly allowsRollbackFrom?: number;
}

/** A file and the name that it is published under. */
export type NamedFile = Pick<ReleaseDraft, 'name' | 'bytes'>;

/**
 * Makes a release's statement from what the file does: a payload is applied to the real base, a chunk at a time and without
 * writing; a whole model is opened and its fingerprint taken. Nothing is taken on trust but what only the maker knows.
 *
 * @throws NeuralDiffError `wrong-base`, also when the base is the next model already; `wrong-layout`, `result-mismatch`, and
 *   whatever else reading payload and model throws; `metadata-corrupt` for names, counters and dates that no device would read
 */
export async function proveRelease(draft: ReleaseDraft): Promise<ReleaseStatement> {
  const { counter, expires, deviceClasses, metrics = {}, golden, allowsRollbackFrom } = draft;
  const facts = await (draft.base ? proveUpdate(draft, draft.base) : proveFull(draft));
  if (draft.next !== undefined && draft.next !== facts.next) {
    const message = `Cannot release "${draft.name}": expected it to give ${draft.next}, it gives ${facts.next}`;
    throw new NeuralDiffError('result-mismatch', message, {
      facts: { expected: draft.next, found: facts.next },
    });
  }
  const statement = {
    ...facts,
    ...(await signedFile(draft)),
    counter,
    expires,
    metrics,
    ...(deviceClasses && { deviceClasses }),
    ...(golden && { golden: await signedFile(golden) }),
    ...(allowsRollbackFrom !== undefined && { allowsRollbackFrom }),
  };
  encodeStatement(statement);
  return statement;
}

type Proof = Pick<ReleaseStatement, 'kind' | 'base' | 'next' | 'formatVersion' | 'modelBytes'>;

async function proveUpdate({ name, bytes }: NamedFile, store: WeightStore): Promise<Proof> {
  const { status, problem, base, next, modelBytes } = await planApply(store, bytes);
  if (problem) throw problem;
  if (status === 'ready') return { kind: 'update', base, next, modelBytes, formatVersion: FORMAT_VERSION };
  const message = `Cannot release "${name}": the base is ${next} already, which the payload gives`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected: base, found: next } });
}

async function proveFull({ name, bytes }: NamedFile): Promise<Proof> {
  const store = await openContainer(openMemoryFiles(new Map([[name, bytes]])), name);
  try {
    return { kind: 'full', next: await fingerprint(store), modelBytes: totalBytes(store.tensors) };
  } finally {
    await store.close();
  }
}

async function signedFile({ name, bytes }: NamedFile): Promise<SignedFile> {
  return { name, bytes: bytes.length, sha256: hex(await sha256(bytes)) };
}

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
