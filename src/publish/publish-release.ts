import type { TargetFile } from '@tufjs/models';
import { NeuralDiffError } from '../model/errors.js';
import { CUSTOM_FIELD, WITHDRAWN_FIELD } from '../release/find-releases.js';
import type { JsonObject } from '../release/json.js';
import { corrupt } from '../release/limits.js';
import { encodeStatement, type ReleaseStatement } from '../release/statement.js';
import { publishTargets, statementsOf, targetsOf, withdrawnOf } from './arrange-targets.js';
import type { OutputFile } from './files.js';
import {
  chunkList,
  type NamedFile,
  proveRelease,
  RELEASE_ENDING,
  type ReleaseDraft,
  signStatement,
} from './prove-release.js';
import type { Publication, PublishOptions, Repository } from './repository.js';
import { listTarget, makeTargetFile } from './tuf-models.js';

/**
 * Creates the publication of a release. Nothing is written.
 *
 * Computes its statement (`proveRelease`), adds its file, golden inputs, a detached release and digests of a
 * whole model's chunks, and signs new targets, snapshot and timestamp.
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
  return { ...(await publishProven(repository, { proven: [{ draft, statement }] }, options)), statement };
}

/** A release, and its statement of `proveRelease`. */
export interface ProvenRelease {
  readonly draft: Omit<ReleaseDraft, 'base'>;
  readonly statement: ReleaseStatement;
}

/** Creates the publication of releases, and removes others. @throws NeuralDiffError as `publishRelease` */
export async function publishProven(
  repository: Repository,
  {
    proven,
    withdrawn = [],
  }: { readonly proven: readonly ProvenRelease[]; readonly withdrawn?: readonly string[] },
  options: PublishOptions,
): Promise<Publication> {
  const targets = targetsOf(repository);
  for (const name of withdrawn) targets.delete(name);
  // Devices may have releases that were withdrawn, and their counters.
  const present = [...statementsOf(repository), ...withdrawnOf(repository)];
  const outputs: OutputFile[] = [];
  for (const { draft, statement } of proven) {
    checkCounter(present, statement);
    checkOneModel(present, statement);
    const custom = { [CUSTOM_FIELD]: encodeStatement(statement) };
    const added = [{ ...draft, custom }, ...(draft.golden ? [draft.golden] : [])];
    await addTargets(targets, added);
    const bytes = await signStatement(statement, options.signers);
    const lists = statement.chunks ? [await chunkList(draft)] : [];
    outputs.push(...(await Promise.all([...added, ...lists].map(contentOf))));
    outputs.push({ path: `targets/${draft.name}${RELEASE_ENDING}`, bytes });
  }
  const edition = await publishTargets(repository, [...targets.values()], options);
  return { ...edition, files: [...outputs, ...edition.files] };
}

async function contentOf({ name, bytes }: NamedFile): Promise<OutputFile> {
  const { hashes } = await makeTargetFile(name, bytes);
  return { path: `targets/${hashes.sha256}.${name}`, bytes };
}

async function addTargets(
  files: Map<string, TargetFile>,
  added: readonly (NamedFile & { readonly custom?: JsonObject })[],
): Promise<void> {
  for (const { name, bytes, custom } of added) {
    const file = await makeTargetFile(name, bytes, custom);
    const present = files.get(name);
    if (present && present.hashes.sha256 !== file.hashes.sha256)
      throw new NeuralDiffError('output-exists', `Cannot publish "${name}": another target has this name`);
    files.set(name, file);
  }
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
  const known = statementsOf(repository);
  const changed = names.map((name) => ({ ...findRelease(known, name, 'roll out'), rollout }));
  return publishChanged(repository, changed, options);
}

function findRelease(known: readonly ReleaseStatement[], name: string, verb: string): ReleaseStatement {
  const found = known.find((statement) => statement.name === name);
  if (found) return found;
  throw new NeuralDiffError('file-not-found', `Cannot ${verb} "${name}": the repository has no such release`);
}

/** Signs other statements of releases that a repository has. */
async function publishChanged(
  repository: Repository,
  changed: readonly ReleaseStatement[],
  options: PublishOptions,
): Promise<Publication> {
  const files = targetsOf(repository);
  const detached: OutputFile[] = [];
  for (const statement of changed) {
    const { name, withdrawn } = statement;
    const field = withdrawn === undefined ? CUSTOM_FIELD : WITHDRAWN_FIELD;
    files.set(name, listTarget(statement, { [field]: encodeStatement(statement) }));
    const bytes = await signStatement(statement, options.signers);
    detached.push({ path: `targets/${name}${RELEASE_ENDING}`, bytes });
  }
  const edition = await publishTargets(repository, [...files.values()], options);
  return { ...edition, files: [...detached, ...edition.files] };
}

/** The reason of a withdrawal. */
export const REASON = /^[^\p{C}\p{Zl}\p{Zp}]{1,200}$/u;

/**
 * Creates a publication that removes releases from the targets or, with a reason, marks them as withdrawn.
 * Nothing is written.
 *
 * Devices that have installed them keep them; other devices no longer install them. With a reason, those that
 * have them are told. The files are not deleted.
 *
 * @param names names of payloads or model files
 * @param options `reason`: 1 to 200 printable characters
 * @throws NeuralDiffError `file-not-found` for an unknown target; `metadata-corrupt` for another reason;
 *   `signature-invalid`
 */
export async function withdrawReleases(
  repository: Repository,
  names: readonly string[],
  options: PublishOptions & { readonly reason?: string | undefined },
): Promise<Publication> {
  const { reason: withdrawn } = options;
  if (withdrawn !== undefined) {
    if (!REASON.test(withdrawn))
      throw corrupt('reason of a withdrawal', 'expected 1 to 200 printable characters');
    const known = [...statementsOf(repository), ...withdrawnOf(repository)];
    const changed = names.map((name) => ({ ...findRelease(known, name, 'withdraw'), withdrawn }));
    return publishChanged(repository, changed, options);
  }
  const files = targetsOf(repository);
  for (const name of names)
    if (!files.delete(name))
      throw new NeuralDiffError(
        'file-not-found',
        `Cannot withdraw "${name}": the repository has no such target`,
      );
  return publishTargets(repository, [...files.values()], options);
}
