import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { withFileErrors } from '../src/node/file-errors.js';
import { readPayload } from '../src/node/read-payload.js';
import { openPublicKey, openSigner, type Signer } from '../src/publish/keys.js';
import type { ReleaseDraft } from '../src/publish/prove-release.js';
import type { ReleaseKey } from '../src/release/keys.js';
import { ROLES, type Role } from '../src/release/metadata.js';
import { UsageError } from './exit-codes.js';
import { withModel } from './with-model.js';

/** An option that may be given several times, a value each. */
export const REPEATED = { type: 'string', array: true, nargs: 1 } as const;

/** Days that a release holds unless others are given. */
const RELEASE_DAYS = 180;

/** Flags that say what is released. */
export interface DraftFlags {
  readonly base?: string;
  readonly next?: string;
  readonly name?: string;
  readonly counter?: number;
  readonly expires?: string;
  readonly deviceClass?: readonly string[];
  readonly metric?: readonly string[];
  readonly golden?: string;
  readonly allowRollbackFrom?: number;
}

/** Flags of every command that says what is released. */
export function withDraftFlags(parser: Argv): Argv {
  return parser
    .option('base', {
      type: 'string',
      describe: 'Model that the payload is for; without it, the file is a whole model',
    })
    .option('next', { type: 'string', describe: 'Fingerprint that must come of it' })
    .option('name', { type: 'string', describe: 'Name to release it under; that of the file by default' })
    .option('counter', { type: 'number', describe: 'Number of the release: devices do not go back' })
    .option('expires', {
      type: 'string',
      describe: `Days that the release holds (${RELEASE_DAYS}), or days by role: release=180,targets=90,timestamp=14`,
    })
    .option('device-class', { ...REPEATED, describe: 'Class of devices that it is for; all by default' })
    .option('metric', { ...REPEATED, describe: 'What is promised of the model: accuracy=0.963' })
    .option('golden', { type: 'string', describe: 'File of inputs with expected outputs' })
    .option('allow-rollback-from', {
      type: 'number',
      describe: 'Highest counter from which devices may go back to it',
    });
}

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

/** Reads what is to be released, lets something use it, and closes the base whatever happened. */
export async function withDraft<T>(
  path: string,
  flags: DraftFlags,
  use: (draft: ReleaseDraft) => Promise<T>,
): Promise<T> {
  const { base, next, counter, deviceClass, metric = [], golden, allowRollbackFrom } = flags;
  if (counter === undefined) throw new UsageError('Expected --counter, the number of the release');
  const days = parseDays(flags.expires).release ?? RELEASE_DAYS;
  const draft: ReleaseDraft = {
    name: flags.name ?? basename(path),
    bytes: await readPayload(path),
    counter,
    expires: new Date(Date.now() + days * 86_400_000),
    metrics: Object.fromEntries(metric.map(parseMetric)),
    ...(next !== undefined && { next }),
    ...(deviceClass && deviceClass.length > 0 && { deviceClasses: deviceClass }),
    ...(golden !== undefined && { golden: { name: basename(golden), bytes: await readPayload(golden) } }),
    ...(allowRollbackFrom !== undefined && { allowsRollbackFrom: allowRollbackFrom }),
  };
  if (base === undefined) return use(draft);
  return withModel({ path: base }, (store) => use({ ...draft, base: store }));
}

function parseMetric(text: string): [string, number] {
  const [, name, value] = /^([^=]+)=(-?[\d.]+(?:e[+-]?\d+)?)$/.exec(text) ?? [];
  if (name === undefined || !Number.isFinite(Number(value)))
    throw new UsageError(`Expected --metric as accuracy=0.963, got "${text}"`);
  return [name, Number(value)];
}

/** Reads a small file: a key, a release. */
export function readSmall(path: string): Promise<Uint8Array> {
  return withFileErrors(`Cannot read "${path}"`, async () => new Uint8Array(await readFile(path)));
}

/** @returns the private keys in files */
export function readSigners(paths: readonly string[] = []): Promise<Signer[]> {
  return Promise.all(paths.map(async (path) => openSigner(await readSmall(path), path)));
}

/** @returns the public halves of keys, from the files of either half */
export function readPublicKeys(paths: readonly string[] = []): Promise<ReleaseKey[]> {
  return Promise.all(paths.map(async (path) => openPublicKey(await readSmall(path), path)));
}
