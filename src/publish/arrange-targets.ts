import type { TargetFile } from '@tufjs/models';
import { NeuralDiffError } from '../model/errors.js';
import { CUSTOM_FIELD, WITHDRAWN_FIELD } from '../release/find-releases.js';
import type { JsonObject } from '../release/json.js';
import { INDEX_FIELD, INDEX_NAME } from '../release/release-index.js';
import { encodeStatement, parseStatement, type ReleaseStatement } from '../release/statement.js';
import type { OutputFile } from './files.js';
import { newEdition } from './init-repository.js';
import { makeIndex } from './release-index.js';
import { type Publication, type PublishOptions, previousOf, type Repository } from './repository.js';
import { listTarget, makeTargetFile } from './tuf-models.js';

/** @returns every target of a repository by name: those of the metadata, and those that its index lists */
export function targetsOf({ targets, older }: Repository): Map<string, TargetFile> {
  const files = new Map(Object.entries(targets.signed.targets));
  files.delete(INDEX_NAME);
  for (const statement of older) {
    const { name, golden } = statement;
    if (golden) files.set(golden.name, listTarget(golden));
    files.set(name, listTarget(statement, { [CUSTOM_FIELD]: encodeStatement(statement) }));
  }
  return files;
}

/** @returns the statements of all releases of a repository, without those that were withdrawn */
export function statementsOf(repository: Repository): ReleaseStatement[] {
  return statementsAmong(targetsOf(repository).values());
}

/** @returns the statements of the releases that were withdrawn for a reason; the metadata list them all */
export function withdrawnOf(repository: Repository): ReleaseStatement[] {
  return statementsAmong(targetsOf(repository).values(), WITHDRAWN_FIELD);
}

function statementsAmong(files: Iterable<TargetFile>, field = CUSTOM_FIELD): ReleaseStatement[] {
  return [...files].flatMap(({ path, custom }) => {
    const signed = custom[field];
    return signed === undefined ? [] : [parseStatement(signed as JsonObject, `release "${path}"`)];
  });
}

/**
 * Creates a publication with other targets. Nothing is written.
 *
 * @param files every target of the repository
 * @throws NeuralDiffError `output-exists` for a target with the index's name; `signature-invalid`
 * @throws RangeError for less than one release to keep
 */
export async function publishTargets(
  repository: Repository,
  files: readonly TargetFile[],
  options: PublishOptions,
): Promise<Publication> {
  const { targets, outputs } = await arrange(files, options.keep ?? repository.keep);
  const edition = await newEdition(previousOf(repository), { targets }, options);
  return { ...edition, files: [...outputs, ...edition.files] };
}

/** Leaves the newest releases in the metadata, which all devices read, and lists others in the index. */
async function arrange(
  files: readonly TargetFile[],
  keep: number | undefined,
): Promise<{ targets: readonly TargetFile[]; outputs: readonly OutputFile[] }> {
  if (files.some(({ path }) => path === INDEX_NAME))
    throw new NeuralDiffError('output-exists', `Cannot publish "${INDEX_NAME}": the index has this name`);
  if (keep === undefined) return { targets: files, outputs: [] };
  if (!(Number.isSafeInteger(keep) && keep >= 1))
    throw new RangeError(`Expected at least 1 release to keep, got ${keep}`);
  const statements = statementsAmong(files);
  const kept = newestOf(statements, keep);
  const older = statements.filter((each) => !kept.has(each));
  const { file, outputs } = await makeIndex(older);
  const needed = new Set([...kept].flatMap(namesOf));
  const moved = new Set(older.flatMap(namesOf).filter((name) => !needed.has(name)));
  const index = await makeTargetFile(INDEX_NAME, file.content, { [INDEX_FIELD]: { keep } });
  return { targets: [...files.filter(({ path }) => !moved.has(path)), index], outputs };
}

const namesOf = ({ name, golden }: ReleaseStatement): string[] => (golden ? [name, golden.name] : [name]);

/**
 * @returns for each group of devices the files of the newest counters, and those of the newest whole model;
 *   only a device with the base of a skip needs that
 */
function newestOf(statements: readonly ReleaseStatement[], keep: number): ReadonlySet<ReleaseStatement> {
  const kept = new Set<ReleaseStatement>();
  const groups = new Set(statements.map(groupOf));
  for (const group of groups) {
    const own = statements.filter((each) => groupOf(each) === group && !isSkip(each));
    const wholes = own.filter(({ kind }) => kind === 'full');
    for (const each of [...newest(own, keep), ...newest(wholes, 1)]) kept.add(each);
  }
  return kept;
}

/** @returns the devices that a release is for, as text */
export const groupOf = ({ deviceClasses, channel }: ReleaseStatement): string =>
  JSON.stringify([deviceClasses && [...deviceClasses].sort(), channel]);

/** @returns those with the highest counters */
function newest(statements: readonly ReleaseStatement[], count: number): ReleaseStatement[] {
  const counters = [...new Set(statements.map(({ counter }) => counter))].sort((a, b) => b - a);
  const least = counters[Math.min(count, counters.length) - 1] ?? 0;
  return statements.filter(({ counter }) => counter >= least);
}

/** @returns the name of a payload that replaces several */
export const nameOfSkip = (base: string, next: string): string =>
  `skip-${base.slice(0, 12)}-${next.slice(0, 12)}.ndiff`;

/** @returns whether a release replaces several payloads */
export const isSkip = ({ name, base, next }: ReleaseStatement): boolean =>
  base !== undefined && name === nameOfSkip(base, next);
