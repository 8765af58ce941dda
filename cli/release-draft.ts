import { basename } from 'node:path';
import { readPayload } from '../src/node/read-payload.js';
import { openPublicKey, openSigner, type Signer } from '../src/publish/keys.js';
import type { ReleaseDraft } from '../src/publish/prove-release.js';
import type { ReleaseKey } from '../src/release/keys.js';
import { ROLES, type Role } from '../src/release/metadata.js';
import { type ReleaseStatement, ROLLOUT_UNITS } from '../src/release/statement.js';
import type { FlagsOf } from './command.js';
import { UsageError } from './exit-codes.js';
import { type DRAFT_FLAGS, RELEASE_DAYS } from './flags.js';
import { formatBytes } from './io.js';
import { readSmall, withModel } from './open.js';
import type { PackedModel, packModel } from './pack-model.js';

/** What is released. */
export type DraftFlags = FlagsOf<typeof DRAFT_FLAGS>;

/** Days by role, and of a release. */
export type Days = Partial<Record<Role | 'release', number>>;

/** @returns the days that `--expires` names: one number for the release, or several by name */
export function parseDays(text = ''): Days {
  if (text === '') return {};
  const pairs = /^[\d.]+$/.test(text) ? [['release', text]] : text.split(',').map((pair) => pair.split('='));
  const known: readonly string[] = ['release', ...ROLES];
  for (const [name = '', days = ''] of pairs)
    if (!known.includes(name) || !(Number(days) > 0 && Number(days) <= 36_500))
      throw new UsageError(`Expected --expires as 180 or timestamp=14,release=180, got "${text}"`);
  return Object.fromEntries(pairs.map(([name, days]) => [name, Number(days)]));
}

/**
 * Reads what is to be released, lets a function use it, and closes the base whatever happens.
 *
 * @param source path of a file; with `pack` also that of a model of several files
 */
export async function withDraft<T>(
  { path, pack = readFile }: { readonly path: string; readonly pack?: typeof packModel },
  flags: DraftFlags,
  use: (draft: ReleaseDraft) => Promise<T>,
): Promise<T> {
  const { base, next, counter, deviceClass, metric, golden, allowRollbackFrom } = flags;
  if (counter === undefined) throw new UsageError('Expected --counter, the number of the release');
  const days = parseDays(flags.expires).release ?? RELEASE_DAYS;
  const content = await (base === undefined ? pack : readFile)(path);
  const draft: ReleaseDraft = {
    ...content,
    name: flags.name ?? content.name,
    counter,
    expires: new Date(Date.now() + days * 86_400_000),
    metrics: Object.fromEntries(metric.map(parseMetric)),
    ...(next !== undefined && { next }),
    ...(deviceClass.length > 0 && { deviceClasses: deviceClass }),
    ...(golden !== undefined && { golden: { name: basename(golden), bytes: await readPayload(golden) } }),
    ...(allowRollbackFrom !== undefined && { allowsRollbackFrom: allowRollbackFrom }),
  };
  if (base === undefined) return use(draft);
  return withModel({ path: base }, (store) => use({ ...draft, base: store }));
}

async function readFile(path: string): Promise<PackedModel> {
  return { name: basename(path), bytes: await readPayload(path) };
}

function parseMetric(text: string): [string, number] {
  const [, name, value] = /^([^=]+)=(-?[\d.]+(?:e[+-]?\d+)?)$/.exec(text) ?? [];
  if (name === undefined || !Number.isFinite(Number(value)))
    throw new UsageError(`Expected --metric as accuracy=0.963, got "${text}"`);
  return [name, Number(value)];
}

/** @returns a share in ten thousand as percent */
export const formatRollout = (rollout: number): string => `${(rollout * 100) / ROLLOUT_UNITS} %`;

/** @returns lines that describe a release */
export function describeRelease(release: ReleaseStatement): string[] {
  const { kind, name, bytes, base, next, counter, expires, deviceClasses, metrics } = release;
  const { channel, rollout } = release;
  return [
    `release  ${name}: ${kind}, ${formatBytes(bytes)}`,
    ...(base === undefined ? [] : [`base     ${base}`]),
    `next     ${next}`,
    `counter  ${counter}`,
    `expires  ${expires.toISOString()}`,
    ...(deviceClasses ? [`devices  ${deviceClasses.join(', ')}`] : []),
    ...(channel === undefined ? [] : [`channel  ${channel}`]),
    ...(rollout === undefined ? [] : [`rollout  ${formatRollout(rollout)} of devices`]),
    ...Object.entries(metrics).map(([metric, value]) => `metric   ${metric} ${value}`),
  ];
}

/** @returns the private keys in files */
export function readSigners(paths: readonly string[]): Promise<Signer[]> {
  return Promise.all(paths.map(async (path) => openSigner(await readSmall(path), path)));
}

/** @returns the public halves of keys, from the files of either half */
export function readPublicKeys(paths: readonly string[]): Promise<ReleaseKey[]> {
  return Promise.all(paths.map(async (path) => openPublicKey(await readSmall(path), path)));
}
