import { createRequire } from 'node:module';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { printable } from '../../src/model/printable.js';
import { totalBytes } from '../../src/model/tensor.js';
import { resetDamagedState } from '../../src/updater/state.js';
import type { UpdaterStatus } from '../../src/updater/updater.js';
import { defineCommand } from '../command.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { DRY_RUN, PROGRESS, UPDATER_FLAGS } from '../flags.js';
import { countOf, formatBytes, type Io, printResult } from '../io.js';
import { findOtherTrial, type ModelUpdater, REPOSITORY_FLAGS, withUpdater } from '../model-updater.js';
import { type Repair, type RepairFlags, repairModel } from '../repair-model.js';

const { repo, root, deviceClass, channel, header } = REPOSITORY_FLAGS;

/** @returns a flag that is not required */
function optional<const F extends { readonly isRequired: true }>({ isRequired: _required, ...flag }: F) {
  return flag;
}

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Check everything that updating a model requires, and repair damage from a power loss',
  details: [
    'Checks the undo journal, the model, the updater state, and the free disk space. Shows which optional ' +
      'packages are installed; updates need none of them.',
    'With --repair, replaces a damaged model with that of the last update if it is released whole, or else ' +
      'with the newest whole model for this device. Chunks of 64 KiB whose signed digests match are kept; ' +
      'only the others are fetched.',
  ],
  args: {},
  flags: {
    ...UPDATER_FLAGS,
    repair: {
      type: 'boolean',
      description: 'With --repo and --root: fetch the damaged parts of the model from a released whole model',
    },
    repo: optional(repo),
    root: optional(root),
    ...{ deviceClass, channel, header },
    dryRun: { ...DRY_RUN, description: 'With --repair: show what would be fetched, and fetch nothing' },
    progress: PROGRESS,
  },
  examples: [
    { description: 'Check a model on a device', run: 'doctor --model models/v1.safetensors' },
    {
      description: 'Repair a damaged model',
      run:
        'doctor --model models/keywords.safetensors --repair --repo https://example.com/releases ' +
        '--root root.json',
    },
  ],
  exits: { internal: 'A check failed' },
  async handle(flags, io) {
    const repaired = await repairIfAsked(flags, io);
    return withUpdater({ ...flags, repo: '' }, io, async (opened) => {
      const findings = [
        ...repaired,
        await look('storage', () => lookAtStorage(opened)),
        await look('model', () => lookAtModel(opened)),
        await look('updater', () => lookAtUpdater(opened)),
        await look('disk', () => lookAtDisk(opened)),
        await look('packages', async () => lookAtPackages()),
      ];
      const isGood = findings.every((finding) => finding.isGood);
      const lines = findings.map(
        ({ check, text, ...found }) => `${wordOf(found)} ${check.padEnd(8)} ${text}`,
      );
      const error = { code: 'storage-mismatch', message: messageOf(flags) };
      printResult(io, flags, { json: { isGood, findings, ...(!isGood && { error }) }, lines });
      if (isGood) return EXIT.done;
      io.err(`neural-diff: ${printable(error.message)} (${error.code})\n`);
      return EXIT.internal;
    });
  },
});

/** Repairs the model before it is opened, which a damaged one may not allow. */
async function repairIfAsked(flags: RepairFlags & { repair: boolean }, io: Io): Promise<Finding[]> {
  const { repair: isAsked, repo: repository, root: trusted, dryRun } = flags;
  if (!isAsked) {
    if (repository === undefined && dryRun !== true) return [];
    throw new UsageError('Expected --repair with --repo and --dry-run');
  }
  if (repository === undefined || trusted === undefined)
    throw new UsageError('Expected --repo and --root with --repair');
  const { text, ...facts } = await repairModel(flags, io);
  return [{ check: 'repair', isGood: true, text, ...facts }];
}

function messageOf({ model, repair: wasAsked }: { model: string; repair: boolean }): string {
  const advice = wasAsked ? '' : '; --repair with --repo and --root fetches what is damaged of a model';
  return `Cannot update model "${model}": see the checks above${advice}`;
}

function wordOf({ isGood, isWarning = false }: Pick<Finding, 'isGood' | 'isWarning'>): string {
  if (!isGood) return 'BAD ';
  return isWarning ? 'warn' : 'ok  ';
}

/** Result of one check. */
interface Finding extends Partial<Omit<Repair, 'text'>> {
  readonly check: string;
  readonly isGood: boolean;
  readonly text: string;
  /** Whether updates may fail although the model is good. */
  readonly isWarning?: boolean;
}

/** A good result with a warning. */
class Warning {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

async function look(check: string, at: () => Promise<string | Warning>): Promise<Finding> {
  try {
    const found = await at();
    if (typeof found === 'string') return { check, isGood: true, text: found };
    return { check, isGood: true, isWarning: true, text: found.text };
  } catch (error) {
    return { check, isGood: false, text: (error as Error).message };
  }
}

async function lookAtStorage({ storage }: ModelUpdater): Promise<string> {
  const found = await storage.recover();
  return found === 'undone' ? 'an update was interrupted; it is undone' : found;
}

async function lookAtModel({ storage, updater }: ModelUpdater): Promise<string> {
  const store = await storage.open();
  try {
    const found = await fingerprint(store);
    checkInstalled(found, await updater.status(), (await updater.history()).at(-1));
    return `${found}, ${countOf(store.tensors.length, 'tensor')}, ${formatBytes(totalBytes(store.tensors))}`;
  } finally {
    await store.close();
  }
}

/** Compares a model that is not on trial with the last one that was installed. */
function checkInstalled(
  found: string,
  { status }: UpdaterStatus,
  last: { readonly next: string; readonly counter: number } | undefined,
): void {
  if (status === 'trial' || last === undefined || found === last.next) return;
  const message = `expected ${last.next}, which release ${last.counter} installed, got ${found}: it is damaged, or another program has changed it`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected: last.next, found } });
}

async function lookAtUpdater({ updater, ...own }: ModelUpdater): Promise<string | Warning> {
  const { disk } = own.storage;
  const location = { disk, folder: own.folder };
  const aside = await disk.withLock(`${own.folder}/updater`, () => resetDamagedState(location));
  const { counter, trial, rejectedModels, fingerprint: found } = await updater.status();
  const other = await findOtherTrial(own, async () => found);
  const none = other ? `on trial by the updater in ${other}: give --updates ${other}` : 'no trial';
  const trials = trial ? `on trial since ${trial.starts} starts` : none;
  const text = `counter ${counter}, ${trials}, ${rejectedModels.length} rejected models`;
  if (aside === undefined) return text;
  return new Warning(`${text}; the state was damaged, it is kept as ${aside}, and a new one begins`);
}

/** An update in place takes the pages that it changes, at most the size of the model, and its payloads. */
async function lookAtDisk({ storage }: ModelUpdater): Promise<string | Warning> {
  const free = await storage.disk.freeBytes?.();
  if (free === undefined) return 'the free space is unknown';
  const store = await storage.open();
  const needed = totalBytes(store.tensors);
  await store.close();
  const text = `${formatBytes(free)} free, an update of everything takes ${formatBytes(needed)}`;
  return free < needed ? new Warning(`only ${text}; smaller updates may fit`) : text;
}

/** What the optional packages are for. */
const PACKAGES = {
  '@tensorflow/tfjs': 'training, accuracy in reports',
  'onnxruntime-node': 'accuracy of ONNX files as devices run them',
} as const;

function lookAtPackages(): string {
  const { resolve } = createRequire(import.meta.url);
  const found = Object.entries(PACKAGES).map(([name, use]) => {
    try {
      resolve(`${name}/package.json`);
      return `${name} is installed (${use})`;
    } catch {
      return `${name} is not installed (${use})`;
    }
  });
  return found.join(', ');
}
