import {
  openRepositoryFolder,
  type RepositoryFiles,
  stageFiles,
  writeFiles,
} from '../../src/publish/files.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { openSigner, type Signer } from '../../src/publish/keys.js';
import { publishRelease, withdrawReleases } from '../../src/publish/publish-release.js';
import { ONLINE_ROLES, refreshExpiry, rotateKeys } from '../../src/publish/renew.js';
import {
  openRepository,
  type Publication,
  type PublishOptions,
  writePublication,
} from '../../src/publish/repository.js';
import { ROLES, type Role } from '../../src/release/metadata.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import { UsageError } from '../exit-codes.js';
import { type CommonFlags, formatBytes, type Io, printResult, remark } from '../io.js';
import {
  type DraftFlags,
  parseDays,
  readPublicKeys,
  readSigners,
  readSmall,
  withDraft,
} from '../release-flags.js';
import { describeRelease } from './sign.js';

/** Flags of `neural-diff publish`. */
export interface PublishFlags extends CommonFlags, DraftFlags {
  readonly folder: string;
  readonly key?: readonly string[];
  readonly init: boolean;
  readonly rootKey?: readonly string[];
  readonly targetsKey?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly threshold?: number;
  readonly payload?: string;
  readonly withdraw?: readonly string[];
  readonly rotate?: string;
  readonly addKey?: readonly string[];
  readonly removeKey?: readonly string[];
  readonly refresh?: string;
  readonly dryRun: boolean;
}

/** Begins a repository, or changes one: a release, a withdrawal, other keys, later dates. */
export async function runPublish(flags: PublishFlags, io: Io): Promise<void> {
  const { folder, dryRun } = flags;
  const folderFiles = openRepositoryFolder(folder);
  const files = stageFiles(folderFiles);
  const expiryDays = parseDays(flags.expires);
  const options = { signers: await signersOf(flags), now: () => new Date(), expiryDays };
  const result = await change(files, flags, options);
  io.signal.throwIfAborted();
  const outputs = files.outputs();
  if (!dryRun) await writeFiles(folderFiles, outputs);
  const paths = outputs.map(({ path }) => path);
  const { versions, statement } = result;
  printResult(io, flags, {
    json: {
      folder,
      versions,
      files: paths,
      ...(statement && { release: statement }),
      ...(dryRun && { dryRun }),
    },
    lines: [
      ...(statement ? describeRelease(statement) : []),
      ...ROLES.map((role) => `${role.padEnd(9)}  version ${versions[role]}`),
    ],
  });
  const bytes = outputs.reduce((sum, output) => sum + output.bytes.length, 0);
  remark(
    io,
    flags,
    `${dryRun ? 'would write' : 'wrote'} ${paths.length} files into ${folder}: ${formatBytes(bytes)}`,
  );
}

/** What came of a change. */
interface Changed extends Publication {
  readonly statement?: ReleaseStatement;
}

/** Works out everything that is asked for, one after the other, each on what the one before left. */
async function change(
  files: RepositoryFiles,
  flags: PublishFlags,
  options: PublishOptions,
): Promise<Changed> {
  const steps: (() => Promise<Changed>)[] = [];
  const { payload, withdraw = [], rotate, refresh } = flags;
  if (flags.init) steps.push(async () => initRepository(files, await rolePlans(flags), options));
  if (rotate !== undefined) steps.push(() => runRotate(files, rotate, { flags, options }));
  if (withdraw.length > 0)
    steps.push(async () => withdrawReleases(await openRepository(files), withdraw, options));
  if (refresh !== undefined) steps.push(() => runRefresh(files, refresh, options));
  if (payload !== undefined)
    steps.push(async () => {
      const repository = await openRepository(files);
      return withDraft(payload, flags, (draft) => publishRelease(repository, draft, options));
    });
  let last: Changed | undefined;
  for (const step of steps) {
    last = await step();
    await writePublication(files, last);
  }
  if (last) return last;
  throw new UsageError('Expected --payload, --init, --rotate, --withdraw or --refresh');
}

async function runRotate(
  files: RepositoryFiles,
  rotate: string,
  { flags, options }: { flags: PublishFlags; options: PublishOptions },
): Promise<Publication> {
  const [add, remove] = [await readPublicKeys(flags.addKey), await readPublicKeys(flags.removeKey)];
  const { threshold } = flags;
  if (add.length + remove.length === 0 && threshold === undefined)
    throw new UsageError('Expected --add-key, --remove-key or --threshold beside --rotate');
  const rotation = { roles: parseRoles(rotate), add, remove, ...(threshold !== undefined && { threshold }) };
  return rotateKeys(await openRepository(files), rotation, options);
}

async function runRefresh(
  files: RepositoryFiles,
  refresh: string,
  options: PublishOptions,
): Promise<Publication> {
  const roles = refresh === '' ? ONLINE_ROLES : parseRoles(refresh);
  return refreshExpiry(await openRepository(files), roles, options);
}

function parseRoles(text: string): Role[] {
  return text.split(',').map((name) => {
    const role = ROLES.find((each) => each === name);
    if (role) return role;
    throw new UsageError(`Expected roles as ${ROLES.join(',')}, got "${text}"`);
  });
}

/** Whoever has no key of its own has those of `--key`. */
async function rolePlans(flags: PublishFlags): Promise<Parameters<typeof initRepository>[1]> {
  const keysOf = (own: readonly string[] = []) => readPublicKeys(own.length > 0 ? own : flags.key);
  const { threshold = 1 } = flags;
  const online = { keys: await keysOf(flags.onlineKey) };
  return {
    root: { keys: await keysOf(flags.rootKey), threshold },
    targets: { keys: await keysOf(flags.targetsKey), threshold },
    snapshot: online,
    timestamp: online,
  };
}

/** Private keys of `--key`; where a repository begins, or keys are added, also those private halves that stand elsewhere. */
async function signersOf(flags: PublishFlags): Promise<Signer[]> {
  const { rootKey = [], targetsKey = [], onlineKey = [], addKey = [] } = flags;
  const others = [...rootKey, ...targetsKey, ...onlineKey, ...addKey];
  const found = await Promise.all(
    others.map(async (path) => {
      const bytes = await readSmall(path);
      return new TextDecoder().decode(bytes).includes('"private"') ? [await openSigner(bytes, path)] : [];
    }),
  );
  const all = [...(await readSigners(flags.key)), ...found.flat()];
  return [...new Map(all.map((signer) => [signer.keyid, signer])).values()];
}
