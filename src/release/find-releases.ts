import { NeuralDiffError } from '../model/errors.js';
import { refuse } from './limits.js';
import type { TargetFile } from './metadata.js';
import type { Trust } from './refresh-trust.js';
import { parseStatement, type ReleaseStatement, type SignedFile } from './statement.js';
import { checkNotExpired } from './verify-release.js';

/** The field of a target's `custom` object that carries its statement. */
export const CUSTOM_FIELD = 'neural-diff';

/** What of a device decides which releases are for it. */
export interface Device {
  /** Counter of the release that the device has; 0 before the first. */
  readonly counter: number;
  /** Releases that name classes are refused without one. */
  readonly deviceClass?: string;
}

/** A release, and the file to fetch. */
export interface Release {
  readonly statement: ReleaseStatement;
  /** Path below the repository's folder of targets. */
  readonly path: string;
}

/** What a repository offers a device. */
export interface FoundReleases {
  /** Newest first; of one counter, fewest bytes first. Whether a base fits is for the caller to see. */
  readonly usable: readonly Release[];
  /** Targets that carry a statement which is malformed, expired, older or for others, and why. */
  readonly refused: readonly { readonly name: string; readonly problem: NeuralDiffError }[];
}

/**
 * Lists the releases that verified targets offer a device. One that is malformed does not stand in the way of others.
 *
 * @param trust from `refreshTrust`
 * @param device what it is and has
 * @returns what may be used and what may not, with `release-refused`, `metadata-expired`, `metadata-corrupt`,
 *   `metadata-mismatch` or `unsupported-version`
 */
export function findReleases(trust: Trust, device: Device): FoundReleases {
  const usable: Release[] = [];
  const refused: { name: string; problem: NeuralDiffError }[] = [];
  for (const target of trust.targets.targets.values()) {
    if (!Object.hasOwn(target.custom, CUSTOM_FIELD)) continue;
    try {
      const statement = openTarget(target);
      checkRelease(statement, device, trust.updateStart);
      usable.push({ statement, path: pathOf(trust, target) });
    } catch (problem) {
      if (!(problem instanceof NeuralDiffError)) throw problem;
      refused.push({ name: target.path, problem });
    }
  }
  usable.sort(({ statement: a }, { statement: b }) => b.counter - a.counter || a.bytes - b.bytes);
  return { usable, refused };
}

/** A target carries the statement of itself alone. */
function openTarget(target: TargetFile): ReleaseStatement {
  const what = `release "${target.path}"`;
  const { [CUSTOM_FIELD]: signed } = target.custom;
  const isObject = typeof signed === 'object' && signed !== null && !Array.isArray(signed);
  const statement = parseStatement(isObject ? (signed as TargetFile['custom']) : {}, what);
  checkSameFile(target, statement, what);
  return statement;
}

/**
 * Checks that a verified statement is for a device: its class, the order of releases, the date.
 *
 * @throws NeuralDiffError `release-refused`, `metadata-expired`
 */
export function checkRelease(statement: ReleaseStatement, device: Device, now: Date): void {
  const { name, counter, deviceClasses, allowsRollbackFrom = 0 } = statement;
  const doing = `Cannot use release "${name}"`;
  checkNotExpired(statement, `release "${name}"`, now);
  if (deviceClasses && !deviceClasses.includes(device.deviceClass ?? '')) {
    const facts = { expected: deviceClasses.join(', '), found: device.deviceClass };
    const found = device.deviceClass === undefined ? 'one without a class' : `"${device.deviceClass}"`;
    throw refuse(
      'release-refused',
      `${doing}: expected a device of class ${facts.expected}, got ${found}`,
      facts,
    );
  }
  if (counter >= device.counter || allowsRollbackFrom >= device.counter) return;
  const facts = { expected: device.counter, found: counter };
  const message = `${doing}: expected a counter of ${device.counter} or more, got ${counter}, without permission to go back`;
  throw refuse('release-refused', message, facts);
}

/**
 * Finds where to fetch a signed file, such as a statement's golden inputs.
 *
 * @returns path below the repository's folder of targets
 * @throws NeuralDiffError `metadata-missing` for a file that no target is; `metadata-mismatch` when targets sign another
 */
export function findTarget(trust: Trust, file: SignedFile): string {
  const target = trust.targets.targets.get(file.name);
  if (target === undefined)
    throw refuse('metadata-missing', `Cannot find "${file.name}": the repository does not list it`);
  checkSameFile(target, file, `"${file.name}"`);
  return pathOf(trust, target);
}

function checkSameFile(target: TargetFile, { name, bytes, sha256 }: SignedFile, what: string): void {
  if (name === target.path && bytes === target.bytes && sha256 === target.sha256) return;
  const message = `Cannot use ${what}: its statement is about another file`;
  throw refuse('metadata-mismatch', message, { expected: target.sha256, found: sha256 });
}

/** 5.7.3 With consistent snapshots, files carry their hash in their name. */
function pathOf({ root }: Trust, { path, sha256 }: TargetFile): string {
  const nameAt = path.lastIndexOf('/') + 1;
  return root.consistentSnapshot ? `${path.slice(0, nameAt)}${sha256}.${path.slice(nameAt)}` : path;
}
