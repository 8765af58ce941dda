import { applyPayload } from '../apply/apply-payload.js';
import { type ApplyPlan, planApply } from '../apply/plan.js';
import { openContainer } from '../containers/open-container.js';
import { concatBytes, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint, sha256 } from '../model/fingerprint.js';
import { openMemoryFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { totalBytes } from '../model/tensor.js';
import { createSha256, tryNewFiles } from '../node/files-model.js';
import { FORMAT_VERSION } from '../payload/header.js';
import { openPayload } from '../payload/open-payload.js';
import { encodeStatement, type ReleaseStatement, type SignedFile } from '../release/statement.js';
import { type Signer, signedBy } from './keys.js';

/** A file to release and the publisher's declarations. */
export interface ReleaseDraft {
  /** Published name of the file. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The base of a payload; without one, the file is a whole model. */
  readonly base?: WeightStore | undefined;
  /** Expected fingerprint of the resulting model, 32 hexadecimal digits; not checked by default. */
  readonly next?: string;
  /** From 1; not below the counter of the newest release. */
  readonly counter: number;
  readonly expires: Date;
  readonly deviceClasses?: readonly string[];
  /** Channel of devices that it is for; defaults to all. */
  readonly channel?: string;
  /** Devices in ten thousand that may use it, 0 to 10,000; defaults to all. */
  readonly rollout?: number;
  readonly metrics?: Readonly<Record<string, number>>;
  /** Inputs with expected outputs. */
  readonly golden?: { readonly name: string; readonly bytes: Uint8Array };
  /** Permits a rollback to this release for devices whose counter is at most this. */
  readonly allowsRollbackFrom?: number;
}

/** A file and the name that it is published under. */
export type NamedFile = Pick<ReleaseDraft, 'name' | 'bytes'>;

/**
 * Creates a release's statement by applying the file.
 *
 * A payload is applied to the base in memory, a chunk at a time, one that makes new files in a temporary
 * folder; a whole model is opened and fingerprinted.
 * Everything that can be computed is computed, not taken from the draft.
 *
 * @throws NeuralDiffError `wrong-base`, also if the base already is the next model; `wrong-layout`,
 *   `result-mismatch`; any error of reading payload and model; `metadata-corrupt` for invalid names, counters
 *   and dates
 */
export async function proveRelease(draft: ReleaseDraft): Promise<ReleaseStatement> {
  const { counter, expires, deviceClasses, metrics = {}, golden, allowsRollbackFrom } = draft;
  const { channel, rollout } = draft;
  const facts = await (draft.base ? proveUpdate(draft, draft.base) : proveFull(draft));
  if (draft.next !== undefined && draft.next !== facts.next) {
    const message = `Cannot release "${draft.name}": expected a resulting model ${draft.next}, got ${facts.next}`;
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
    ...(channel !== undefined && { channel }),
    ...(rollout !== undefined && { rollout }),
    ...(golden && { golden: await signedFile(golden) }),
    ...(allowsRollbackFrom !== undefined && { allowsRollbackFrom }),
  };
  encodeStatement(statement);
  return statement;
}

type Proof = Pick<ReleaseStatement, 'kind' | 'base' | 'next' | 'formatVersion' | 'modelBytes' | 'chunks'>;

async function proveUpdate({ name, bytes }: NamedFile, store: WeightStore): Promise<Proof> {
  const { files } = await openPayload(bytes);
  const plan = await (files ? proveFiles : planApply)(store, bytes);
  const { status, problem, base, next, modelBytes } = plan;
  if (problem) throw problem;
  if (status === 'ready') return { kind: 'update', base, next, modelBytes, formatVersion: FORMAT_VERSION };
  const message = `Cannot release "${name}": expected base ${base}, got ${next}, the model after the update`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected: base, found: next } });
}

/** Makes the files of a payload in a temporary folder and opens the model that they are. */
function proveFiles(store: WeightStore, bytes: Uint8Array): Promise<ApplyPlan> {
  return tryNewFiles(store, async (copy) => {
    const { plan } = await applyPayload(copy, bytes, { createSha256 });
    return { ...plan, modelBytes: totalBytes(copy.tensors) };
  });
}

async function proveFull({ name, bytes }: NamedFile): Promise<Proof> {
  const store = await openContainer(openMemoryFiles(new Map([[name, bytes]])), name);
  try {
    const facts = { next: await fingerprint(store), modelBytes: totalBytes(store.tensors) };
    const list = await signedFile(await chunkList({ name, bytes }));
    return { kind: 'full', ...facts, chunks: { ...list, chunkBytes: CHUNK_LIST_BYTES } };
  } finally {
    await store.close();
  }
}

/** Bytes of the chunks whose digests are listed: 32 bytes for each, a two-thousandth of the file. */
const CHUNK_LIST_BYTES = 65_536;

/** @returns the digests of the chunks of a whole model, as a file to publish next to it */
export async function chunkList({ name, bytes }: NamedFile): Promise<NamedFile> {
  const digests: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_LIST_BYTES)
    digests.push(await sha256(bytes.subarray(at, at + CHUNK_LIST_BYTES)));
  // Names may have 128 characters.
  return { name: `${name.slice(0, 121)}.chunks`, bytes: concatBytes(digests) };
}

async function signedFile({ name, bytes }: NamedFile): Promise<SignedFile> {
  return { name, bytes: bytes.length, sha256: hex(await sha256(bytes)) };
}

/** Suffix of a detached release file, appended to the payload's name. */
export const RELEASE_ENDING = '.release.json';

/**
 * Creates and signs a detached release file, for devices that trust keys without a repository.
 *
 * @returns the statement and the file for `verifyRelease`
 * @throws NeuralDiffError as `proveRelease`
 */
export async function signRelease(
  draft: ReleaseDraft,
  signers: readonly Signer[],
): Promise<{ statement: ReleaseStatement; file: Uint8Array }> {
  const statement = await proveRelease(draft);
  return { statement, file: await signStatement(statement, signers) };
}

/** Signs a statement of `proveRelease`. @returns canonical JSON */
export async function signStatement(
  statement: ReleaseStatement,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  return signedBy(signers, encodeStatement(statement));
}
