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
import { makeTargetFile, withCustom } from './tuf-models.js';

/**
 * Creates the publication of a release. Nothing is written.
 *
 * Computes its statement (`proveRelease`), adds its file, golden inputs and a detached release to the
 * targets, and signs new targets, snapshot and timestamp.
 *
 * @param repository result of `openRepository`
 * @param draft the release
 * @throws NeuralDiffError as `proveRelease`; `release-refused` for a counter below the newest, or one under
 *   which devices already get another model; `output-exists` for the name of another file;
 *   `signature-invalid` for too few signers
 *
 * @example
 * const signer = await openSigner(readFileSync('keys/targets.key.json'), 'targets.key.json');
 * const files = openRepositoryFolder('releases');
 * const expires = new Date(Date.now() + 30 * 86_400_000);
 * const draft = { name: 'v3.ndiff', bytes: readFileSync('v3.ndiff'), counter: 2, expires };
 * const publication = await publishRelease(
 *   await openRepository(files),
 *   { ...draft, base: await openModel('models/v2') },
 *   { signers: [signer], now: () => new Date() },
 * );
 * await writePublication(files, publication);
 */
export async function publishRelease(
  repository: Repository,
  draft: ReleaseDraft,
  options: PublishOptions,
): Promise<Publication & { readonly statement: ReleaseStatement }> {
  const statement = await proveRelease(draft);
  const present = statementsOf(repository);
  checkCounter(present, statement);
  checkOneModel(present, statement);
  const custom = { [CUSTOM_FIELD]: encodeStatement(statement) };
  const detached = {
    name: draft.name + RELEASE_ENDING,
    bytes: await signStatement(statement, options.signers),
  };
  const added = [{ ...draft, custom }, ...(draft.golden ? [draft.golden] : [])];
  const targets = await addTargets(repository, added);
  const { files, versions } = await newEdition(previousOf(repository), { targets }, options);
  const contents = await Promise.all(added.map(contentOf));
  const detachedFile = { path: `targets/${detached.name}`, bytes: detached.bytes };
  return { statement, versions, files: [...contents, detachedFile, ...files] };
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
      throw new NeuralDiffError('output-exists', `Cannot publish "${name}": another target has this name`);
    files.set(name, file);
  }
  return [...files.values()];
}

function checkCounter(
  present: readonly ReleaseStatement[],
  { name, counter, allowsRollbackFrom = 0 }: ReleaseStatement,
): void {
  const newest = Math.max(0, ...present.map((statement) => statement.counter));
  if (counter >= newest || allowsRollbackFrom >= newest) return;
  const facts = { expected: newest, found: counter };
  const message = `Cannot publish "${name}": expected a counter of at least ${newest}, got ${counter}`;
  throw new NeuralDiffError('release-refused', message, { facts });
}

/** Files that lead to one release share its counter: for a device it means one model. */
function checkOneModel(
  present: readonly ReleaseStatement[],
  { name, counter, next, deviceClasses }: ReleaseStatement,
): void {
  const other = present.find(
    (each) => each.counter === counter && each.next !== next && overlap(each.deviceClasses, deviceClasses),
  );
  if (other === undefined) return;
  const facts = { expected: other.next, found: next };
  const message =
    `Cannot publish "${name}": expected counter ${counter} to lead to ${other.next} as "${other.name}" does, ` +
    `got ${next}; take a higher counter, or device classes that are not those of "${other.name}"`;
  throw new NeuralDiffError('release-refused', message, { facts });
}

/** @returns whether a device may be of both; without classes all are */
function overlap(a?: readonly string[], b?: readonly string[]): boolean {
  return a === undefined || b === undefined || a.some((name) => b.includes(name));
}

/** @returns the statements of all releases of a repository */
export function statementsOf({ targets }: Repository): ReleaseStatement[] {
  return Object.values(targets.signed.targets).flatMap(({ path, custom }) => {
    const signed = custom[CUSTOM_FIELD];
    return signed === undefined ? [] : [parseStatement(signed as JsonObject, `release "${path}"`)];
  });
}

/**
 * Creates a publication that changes which share of devices may use releases. Nothing is written.
 *
 * @param names names of payloads or model files
 * @param rollout devices in ten thousand, 0 to 10,000; devices that have the release keep it
 * @throws NeuralDiffError `file-not-found` for an unknown release; `metadata-corrupt` for another share;
 *   `signature-invalid`
 */
export async function changeRollout(
  repository: Repository,
  { names, rollout }: { names: readonly string[]; rollout: number },
  options: PublishOptions,
): Promise<Publication> {
  const statements = new Map(statementsOf(repository).map((statement) => [statement.name, statement]));
  const files = new Map(Object.entries(repository.targets.signed.targets));
  const detached: OutputFile[] = [];
  for (const name of names) {
    const [statement, file] = [statements.get(name), files.get(name)];
    if (statement === undefined || file === undefined)
      throw new NeuralDiffError(
        'file-not-found',
        `Cannot roll out "${name}": the repository has no such release`,
      );
    const changed = { ...statement, rollout };
    files.set(name, withCustom(file, { ...file.custom, [CUSTOM_FIELD]: encodeStatement(changed) }));
    const bytes = await signStatement(changed, options.signers);
    detached.push({ path: `targets/${name}${RELEASE_ENDING}`, bytes });
  }
  const edition = await newEdition(previousOf(repository), { targets: [...files.values()] }, options);
  return { ...edition, files: [...detached, ...edition.files] };
}

/**
 * Creates a publication that removes releases from the targets. Nothing is written.
 *
 * Devices that have installed them keep them; other devices no longer find them. The files are not deleted.
 *
 * @param names names of payloads or model files
 * @throws NeuralDiffError `file-not-found` for an unknown target; `signature-invalid`
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
