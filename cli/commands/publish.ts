import {
  openRepositoryFolder,
  type RepositoryFiles,
  stageFiles,
  writeFiles,
} from '../../src/publish/files.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { openSigner, type Signer } from '../../src/publish/keys.js';
import { proveRelease, type ReleaseDraft } from '../../src/publish/prove-release.js';
import { changeRollout, publishProven, REASON, withdrawReleases } from '../../src/publish/publish-release.js';
import { ONLINE_ROLES, refreshExpiry, rotateKeys } from '../../src/publish/renew.js';
import {
  openRepository,
  type Publication,
  type PublishOptions,
  type Repository,
  writePublication,
} from '../../src/publish/repository.js';
import { ROLES, type Role } from '../../src/release/metadata.js';
import { type ReleaseStatement, ROLLOUT_UNITS } from '../../src/release/statement.js';
import { defineCommand, type Flags, type FlagsOf } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { DRAFT_FLAGS, DRY_RUN } from '../flags.js';
import { countOf, formatBytes, printResult, remark } from '../io.js';
import { readSmall } from '../open.js';
import { packModel } from '../pack-model.js';
import {
  type DraftFlags,
  describeRelease,
  parseDays,
  readPublicKeys,
  readSigners,
  withDraft,
} from '../release-draft.js';
import { printReleases } from '../release-list.js';
import { proveSkips } from '../skip-releases.js';

const KEY_FLAGS = {
  key: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'Private key to sign with; may be repeated',
  },
  init: { type: 'boolean', description: 'Create the repository' },
  rootKey: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --init: key of the root role; may be repeated; default: --key',
  },
  targetsKey: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --init: key of the targets role; may be repeated; default: --key',
  },
  onlineKey: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --init: key of the snapshot and timestamp roles; may be repeated; default: --key',
  },
  threshold: {
    type: 'number',
    placeholder: 'n',
    description:
      'Number of root and targets keys that must sign; with --rotate, keys of the given roles; default: 1',
  },
  rotate: {
    type: 'string',
    placeholder: 'roles',
    description: 'Change the keys of roles: root,targets,snapshot,timestamp',
  },
  addKey: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --rotate: key to add; may be repeated',
  },
  removeKey: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'With --rotate: key to remove; may be repeated',
  },
} as const satisfies Flags;

const RELEASE_FLAGS = {
  payload: {
    type: 'string',
    placeholder: 'file',
    description:
      'Payload file to release, or a whole model: a file, or a folder, which becomes one safetensors file',
  },
  channel: {
    type: 'string',
    placeholder: 'name',
    description:
      'With --payload: release only to devices that follow this channel, such as beta; default: all',
  },
  rollout: {
    type: 'string',
    placeholder: 'share',
    description: 'Share of devices that get the release, such as 10%; for --payload, or for each --release',
  },
  release: {
    type: 'string',
    placeholder: 'name',
    isRepeated: true,
    description: 'With --rollout: existing release to change; 0% pauses it; may be repeated',
  },
  keep: {
    type: 'number',
    placeholder: 'n',
    description:
      'Number of newest releases in the metadata that all devices read; devices look up older ones in an ' +
      'index if needed; default: as before, initially all',
  },
  skip: {
    type: 'string',
    placeholder: 'folder',
    description:
      'With --payload: also release payloads from the older models in this folder to the new one, so that ' +
      'every device needs only a few payloads',
  },
  withdraw: {
    type: 'string',
    placeholder: 'name',
    isRepeated: true,
    description: 'Release that devices must no longer install; may be repeated',
  },
  reason: {
    type: 'string',
    placeholder: 'text',
    description: 'With --withdraw: keep the release listed as withdrawn; devices that have it show this text',
  },
  refresh: {
    type: 'string',
    placeholder: 'roles',
    valueIfBare: '',
    description: 'Sign roles again with later expiry dates; without a value, snapshot and timestamp',
  },
  list: {
    type: 'boolean',
    description: 'List the releases, and what devices with each of their models would fetch',
  },
  dryRun: DRY_RUN,
} as const satisfies Flags;

export const command = defineCommand({
  group: 'Publish releases',
  summary: 'Add a release to a TUF repository, or manage the repository and its keys',
  details: [
    'A repository is a folder of signed metadata and targets that any web server can serve; devices ' +
      'follow it with neural-diff update. At least one of --init, --rotate, --withdraw, --release, ' +
      '--keep, --refresh, --payload and --list is required. Several are done in this order and written ' +
      'together, except --list, which changes nothing.',
  ],
  args: { folder: { type: 'string', isRequired: true, description: 'Folder of the repository' } },
  flags: { ...RELEASE_FLAGS, ...DRAFT_FLAGS, ...KEY_FLAGS },
  examples: [
    {
      description: 'Create a repository',
      run: 'publish releases --init --root-key keys/root.key.json --key keys/targets.key.json',
    },
    {
      description: 'Release a payload',
      run: 'publish releases --payload v2.ndiff --base models/v1 --key keys/targets.key.json --counter 2',
    },
    {
      description: 'Release a whole model, for devices without a model or without a matching payload',
      run: 'publish releases --payload models/v2 --key keys/targets.key.json --counter 2',
    },
    {
      description: 'Extend a staged rollout to half of the devices',
      run: 'publish releases --rollout 50% --release v2.ndiff --key keys/targets.key.json',
    },
    {
      description: 'Release a payload for many devices, some of them far behind',
      run:
        'publish releases --payload v9.ndiff --base models/v8 --key keys/targets.key.json --counter 9 ' +
        '--keep 1 --skip models',
    },
    {
      description: 'Withdraw a release and give a reason',
      run: 'publish releases --withdraw v2.ndiff --reason "wrong labels" --key keys/targets.key.json',
    },
    {
      description: 'List the releases, and what a fleet would fetch',
      run: 'publish releases --list',
    },
    {
      description: 'Renew the expiry dates, for example in a nightly job',
      run: 'publish releases --refresh --key keys/online.key.json',
    },
    {
      description: 'Replace a key',
      run:
        'publish releases --rotate targets --remove-key keys/old.pub.json --add-key keys/new.key.json ' +
        '--key keys/root.key.json --key keys/online.key.json',
    },
  ],
  exits: { refused: 'Too few signatures, or a counter that is too low or already used for another model' },
  async handle(flags, io) {
    const { folder, dryRun } = flags;
    const folderFiles = openRepositoryFolder(folder);
    if (flags.list) return void printReleases(await openRepository(folderFiles), flags, io);
    const files = stageFiles(folderFiles);
    const expiryDays = parseDays(flags.expires);
    const options = { signers: await signersOf(flags), now: () => new Date(), expiryDays, keep: flags.keep };
    const { versions, statement, remarks = [] } = await change(files, flags, options);
    io.signal.throwIfAborted();
    const outputs = files.outputs();
    if (!dryRun) await writeFiles(folderFiles, outputs);
    const paths = outputs.map(({ path }) => path);
    const release = statement && { release: statement };
    printResult(io, flags, {
      json: { folder, versions, files: paths, ...release, ...(dryRun && { dryRun }) },
      lines: [
        ...(statement ? describeRelease(statement) : []),
        ...ROLES.map((role) => `${role.padEnd(9)}  version ${versions[role]}`),
      ],
    });
    const bytes = outputs.reduce((sum, output) => sum + output.bytes.length, 0);
    const wrote = dryRun ? 'would write' : 'wrote';
    for (const each of remarks) remark(io, flags, each);
    remark(io, flags, `${wrote} ${countOf(paths.length, 'file')} into ${folder}: ${formatBytes(bytes)}`);
  },
});

type PublishFlags = FlagsOf<typeof KEY_FLAGS> & FlagsOf<typeof RELEASE_FLAGS> & DraftFlags;

/** The repository after a change. */
interface Changed extends Publication {
  readonly statement?: ReleaseStatement;
  /** Payloads of `--skip` that were not made, and why. */
  readonly remarks?: readonly string[];
}

/** Makes every change that the flags name, one after the other. */
async function change(
  files: RepositoryFiles,
  flags: PublishFlags,
  options: PublishOptions,
): Promise<Changed> {
  const steps: (() => Promise<Changed>)[] = [];
  const { payload, release, withdraw, rotate, refresh, keep } = flags;
  if (flags.init) steps.push(async () => initRepository(files, await rolePlans(flags), options));
  if (rotate !== undefined) steps.push(() => runRotate(files, rotate, { flags, options }));
  const reason = readReason(flags);
  if (withdraw.length > 0)
    steps.push(async () => withdrawReleases(await openRepository(files), withdraw, { ...options, reason }));
  if (release.length > 0) steps.push(() => runRollout(files, flags, options));
  if (keep !== undefined && payload === undefined)
    steps.push(async () => withdrawReleases(await openRepository(files), [], options));
  if (refresh !== undefined) steps.push(() => runRefresh(files, refresh, options));
  if (payload !== undefined)
    steps.push(async () => {
      const repository = await openRepository(files);
      return withDraft({ path: payload, pack: packModel }, flags, (draft) =>
        runRelease(repository, { ...draft, ...stagingOf(flags) }, { files, flags, options }),
      );
    });
  let last: Changed | undefined;
  for (const step of steps) {
    last = await step();
    await writePublication(files, last);
  }
  if (last) return last;
  throw new UsageError(
    'Expected --payload, --init, --rotate, --release, --withdraw, --keep, --refresh or --list',
  );
}

function readReason({ withdraw, reason }: PublishFlags): string | undefined {
  if (reason === undefined) return undefined;
  if (withdraw.length === 0) throw new UsageError('Expected --withdraw with --reason');
  if (REASON.test(reason)) return reason;
  throw new UsageError('Expected --reason as one line of 1 to 200 printable characters');
}

/** @returns for whom a release is, besides device classes */
function stagingOf({ channel, rollout }: PublishFlags): Pick<ReleaseDraft, 'channel' | 'rollout'> {
  return {
    ...(channel !== undefined && { channel }),
    ...(rollout !== undefined && { rollout: parseRollout(rollout) }),
  };
}

/** @returns devices in ten thousand */
function parseRollout(text: string): number {
  const units = Math.round(Number(/^(\d+(?:\.\d+)?) ?%$/.exec(text)?.[1]) * (ROLLOUT_UNITS / 100));
  if (units <= ROLLOUT_UNITS) return units;
  throw new UsageError(`Expected --rollout as a share of devices from 0% to 100%, got "${text}"`);
}

async function runRelease(
  repository: Repository,
  draft: ReleaseDraft,
  { files, flags, options }: { files: RepositoryFiles; flags: PublishFlags; options: PublishOptions },
): Promise<Changed> {
  const statement = await proveRelease(draft);
  const release = { draft, statement };
  const { proven, withdrawn, remarks } =
    flags.skip === undefined
      ? { proven: [], withdrawn: [], remarks: [] }
      : await proveSkips(repository, release, { files, folder: flags.skip });
  const all = { proven: [release, ...proven], withdrawn };
  return { ...(await publishProven(repository, all, options)), statement, remarks };
}

async function runRollout(
  files: RepositoryFiles,
  { release: names, rollout }: PublishFlags,
  options: PublishOptions,
): Promise<Publication> {
  if (rollout === undefined) throw new UsageError('Expected --rollout with --release');
  return changeRollout(await openRepository(files), { names, rollout: parseRollout(rollout) }, options);
}

async function runRotate(
  files: RepositoryFiles,
  rotate: string,
  { flags, options }: { flags: PublishFlags; options: PublishOptions },
): Promise<Publication> {
  const [add, remove] = [await readPublicKeys(flags.addKey), await readPublicKeys(flags.removeKey)];
  const { threshold } = flags;
  if (add.length + remove.length === 0 && threshold === undefined)
    throw new UsageError('Expected --add-key, --remove-key or --threshold with --rotate');
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

/** A role without own keys has those of `--key`. */
async function rolePlans(flags: PublishFlags): Promise<Parameters<typeof initRepository>[1]> {
  const keysOf = (own: readonly string[]) => readPublicKeys(own.length > 0 ? own : flags.key);
  const { threshold = 1 } = flags;
  const online = { keys: await keysOf(flags.onlineKey) };
  return {
    root: { keys: await keysOf(flags.rootKey), threshold },
    targets: { keys: await keysOf(flags.targetsKey), threshold },
    snapshot: online,
    timestamp: online,
  };
}

/** @returns the private keys of `--key`, and those of roles and of `--add-key` that are private */
async function signersOf(flags: PublishFlags): Promise<Signer[]> {
  const { rootKey, targetsKey, onlineKey, addKey } = flags;
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
