import { NeuralDiffError } from '../model/errors.js';
import type { Json } from './json.js';
import { refuse } from './limits.js';
import type { TargetFile } from './metadata.js';
import type { Trust } from './refresh-trust.js';
import { INDEX_NAME } from './release-index.js';
import { parseStatement, type ReleaseStatement, type SignedFile } from './statement.js';
import { checkNotExpired } from './verify-release.js';

/** The field of a target's `custom` object with its statement. */
export const CUSTOM_FIELD = 'neural-diff';

/**
 * The field with the statement of a withdrawn release. It is another one since programs that do not know of
 * withdrawals would ignore what the statement says of it.
 */
export const WITHDRAWN_FIELD = 'neural-diff-withdrawn';

/** Properties of a device that decide which releases it may use. */
export interface Device {
  /** Counter of the installed release; 0 before the first. */
  readonly counter: number;
  /** Class of the device; without one, releases for certain classes are refused. */
  readonly deviceClass?: string;
  /** The channel that it follows; without one, releases for certain channels are refused. */
  readonly channel?: string;
}

/** A release and its file. */
export interface Release {
  readonly statement: ReleaseStatement;
  /** Path below the repository's folder of targets. */
  readonly path: string;
}

/** The releases of a repository for a device. */
export interface FoundReleases {
  /** Newest first, then fewest bytes first. The caller must check that the base matches. */
  readonly usable: readonly Release[];
  /** Targets with a statement that is malformed, expired, older or for other devices, and the reason. */
  readonly refused: readonly {
    readonly name: string;
    readonly problem: NeuralDiffError;
    /** Undefined if it is malformed. */
    readonly statement?: ReleaseStatement | undefined;
  }[];
}

/**
 * Lists the releases among verified targets that a device may use. Malformed releases do not affect others.
 *
 * @param trust result of `refreshTrust`
 * @param device the device's class and installed release
 * @param older releases that the repository's index lists
 * @returns usable and refused releases; problems have the code `release-refused`, `metadata-expired`,
 *   `metadata-corrupt`, `metadata-mismatch` or `unsupported-version`
 */
export function findReleases(
  trust: Trust,
  device: Device,
  older: readonly ReleaseStatement[] = [],
): FoundReleases {
  const usable: Release[] = [];
  const refused: FoundReleases['refused'][number][] = [];
  const check = (target: TargetFile, open: () => ReleaseStatement): void => {
    let statement: ReleaseStatement | undefined;
    try {
      statement = open();
      checkRelease(statement, device, trust.updateStart);
      usable.push({ statement, path: pathOfTarget(trust, target) });
    } catch (problem) {
      if (!(problem instanceof NeuralDiffError)) throw problem;
      refused.push({ name: target.path, problem, statement });
    }
  };
  for (const target of trust.targets.targets.values()) {
    const { [WITHDRAWN_FIELD]: withdrawn, [CUSTOM_FIELD]: signed = withdrawn } = target.custom;
    if (signed !== undefined) check(target, () => openTarget(target, signed));
  }
  for (const statement of older) check({ ...statement, path: statement.name, custom: {} }, () => statement);
  usable.sort(({ statement: a }, { statement: b }) => b.counter - a.counter || a.bytes - b.bytes);
  return { usable, refused };
}

/** Reads a target's statement, which must describe the target itself. */
function openTarget(target: TargetFile, signed: Json): ReleaseStatement {
  const what = `release "${target.path}"`;
  const isObject = typeof signed === 'object' && signed !== null && !Array.isArray(signed);
  const statement = parseStatement(isObject ? (signed as TargetFile['custom']) : {}, what);
  checkSameFile(target, statement, what);
  return statement;
}

/**
 * Checks that a device may use a verified statement: withdrawal, device class, channel, counter and expiry
 * date.
 *
 * @throws NeuralDiffError `release-refused`, `metadata-expired`
 */
export function checkRelease(statement: ReleaseStatement, device: Device, now: Date): void {
  const { name, counter, deviceClasses, channel, allowsRollbackFrom = 0, withdrawn } = statement;
  const prefix = `Cannot use release "${name}"`;
  if (withdrawn !== undefined)
    throw refuse('release-refused', `${prefix}: it was withdrawn: ${withdrawn}`, { withdrawn });
  checkNotExpired(statement, `release "${name}"`, now);
  if (deviceClasses && !deviceClasses.includes(device.deviceClass ?? '')) {
    const facts = { expected: deviceClasses.join(', '), found: device.deviceClass };
    const found = device.deviceClass === undefined ? 'no class' : `"${device.deviceClass}"`;
    const message = `${prefix}: expected a device of class ${facts.expected}, got ${found}`;
    throw refuse('release-refused', message, facts);
  }
  if (channel !== undefined && channel !== device.channel) {
    const facts = { expected: channel, found: device.channel };
    const found = device.channel === undefined ? 'no channel' : `"${device.channel}"`;
    const message = `${prefix}: expected a device that follows channel "${channel}", got ${found}`;
    throw refuse('release-refused', message, facts);
  }
  if (counter >= device.counter || allowsRollbackFrom >= device.counter) return;
  const facts = { expected: device.counter, found: counter };
  const message = `${prefix}: expected a counter of at least ${device.counter}, got ${counter} without rollback permission`;
  throw refuse('release-refused', message, facts);
}

/**
 * Finds the path of a signed file, such as a statement's golden inputs.
 *
 * @returns path below the repository's folder of targets
 * @throws NeuralDiffError `metadata-missing` for a file that is not a target; `metadata-mismatch` if the
 *   target differs
 */
export function findTarget(trust: Trust, file: SignedFile): string {
  const { targets } = trust.targets;
  const target = targets.get(file.name);
  // The index lists no other files of a release; its statement does.
  if (target === undefined && targets.has(INDEX_NAME))
    return pathOfTarget(trust, { ...file, path: file.name, custom: {} });
  if (target === undefined)
    throw refuse('metadata-missing', `Cannot find "${file.name}": the repository does not list it`);
  checkSameFile(target, file, `"${file.name}"`);
  return pathOfTarget(trust, target);
}

function checkSameFile(target: TargetFile, { name, bytes, sha256 }: SignedFile, what: string): void {
  if (name === target.path && bytes === target.bytes && sha256 === target.sha256) return;
  const message = `Cannot use ${what}: its statement describes another file`;
  throw refuse('metadata-mismatch', message, { expected: target.sha256, found: sha256 });
}

/**
 * 5.7.3 With consistent snapshots, file names start with the file's hash.
 *
 * @returns a target's path below the repository's folder of targets
 */
export function pathOfTarget({ root }: Trust, { path, sha256 }: TargetFile): string {
  const nameAt = path.lastIndexOf('/') + 1;
  return root.consistentSnapshot ? `${path.slice(0, nameAt)}${sha256}.${path.slice(nameAt)}` : path;
}
