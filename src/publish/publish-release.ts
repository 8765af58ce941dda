import type { TargetFile } from '@tufjs/models';
import { NeuralDiffError } from '../model/errors.js';
import { CUSTOM_FIELD } from '../release/find-releases.js';
import type { JsonObject } from '../release/json.js';
import { encodeStatement, parseStatement, type ReleaseStatement } from '../release/statement.js';
import type { OutputFile } from './files.js';
import { newEdition } from './init-repository.js';
import {
  type NamedFile,
  proveRelease,
  RELEASE_ENDING,
  type ReleaseDraft,
  signStatement,
} from './prove-release.js';
import { type Publication, type PublishOptions, previousOf, type Repository } from './repository.js';
import { makeTargetFile } from './tuf-models.js';

/**
 * Works out the publication of a release: proves it (`proveRelease`), adds its file, its golden inputs and a detached release
 * to the targets, and signs targets, snapshot and timestamp anew. The bytes in `files` are those that were applied.
 *
 * @param repository from `openRepository`
 * @param draft the release
 * @throws NeuralDiffError as `proveRelease`; `release-refused` for a counter below the newest one's; `output-exists` for a name
 *   that another file has; `signature-invalid` when the signers are too few
 */
export async function publishRelease(
  repository: Repository,
  draft: ReleaseDraft,
  options: PublishOptions,
): Promise<Publication & { readonly statement: ReleaseStatement }> {
  const statement = await proveRelease(draft);
  checkCounter(repository, statement);
  const custom = { [CUSTOM_FIELD]: encodeStatement(statement) };
  const detached = {
    name: draft.name + RELEASE_ENDING,
    bytes: await signStatement(statement, options.signers),
  };
  const added = [{ ...draft, custom }, ...(draft.golden ? [draft.golden] : [])];
  const targets = await addTargets(repository, added);
  const { files, versions } = await newEdition(previousOf(repository), { targets }, options);
  const contents = await Promise.all(added.map(contentOf));
  const beside = { path: `targets/${detached.name}`, bytes: detached.bytes };
  return { statement, versions, files: [...contents, beside, ...files] };
}

async function contentOf({ name, bytes }: NamedFile): Promise<OutputFile> {
  const { hashes } = await makeTargetFile(name, bytes);
  return { path: `targets/${hashes.sha256}.${name}`, bytes };
}

async function addTargets(
  { targets }: Repository,
  added: readonly (NamedFile & { readonly custom?: JsonObject })[],
): Promise<TargetFile[]> {
  const files = new Map(Object.entries(targets.signed.targets));
  for (const { name, bytes, custom } of added) {
    const file = await makeTargetFile(name, bytes, custom);
    const present = files.get(name);
    if (present && present.hashes.sha256 !== file.hashes.sha256)
      throw new NeuralDiffError('output-exists', `Cannot publish "${name}": another file has that name`);
    files.set(name, file);
  }
  return [...files.values()];
}

function checkCounter(
  repository: Repository,
  { name, counter, allowsRollbackFrom = 0 }: ReleaseStatement,
): void {
  const newest = Math.max(0, ...statementsOf(repository).map((statement) => statement.counter));
  if (counter >= newest || allowsRollbackFrom >= newest) return;
  const facts = { expected: newest, found: counter };
  const message = `Cannot publish "${name}": expected a counter of ${newest} or more, got ${counter}`;
  throw new NeuralDiffError('release-refused', message, { facts });
}

/** @returns the statements of all releases of a repository */
export function statementsOf({ targets }: Repository): ReleaseStatement[] {
  return Object.values(targets.signed.targets).flatMap(({ path, custom }) => {
    const signed = custom[CUSTOM_FIELD];
    return signed === undefined ? [] : [parseStatement(signed as JsonObject, `release "${path}"`)];
  });
}

/**
 * Works out the removal of releases from the targets. Devices that have one keep it; no other takes it any more. The files stay.
 *
 * @param names of payloads or model files
 * @throws NeuralDiffError `file-not-found` for a name that no target has; `signature-invalid`
 */
export async function withdrawReleases(
  repository: Repository,
  names: readonly string[],
  options: PublishOptions,
): Promise<Publication> {
  const files = new Map(Object.entries(repository.targets.signed.targets));
  for (const name of names)
    if (!files.delete(name))
      throw new NeuralDiffError(
        'file-not-found',
        `Cannot withdraw "${name}": the repository has no such target`,
      );
  return newEdition(previousOf(repository), { targets: [...files.values()] }, options);
}
