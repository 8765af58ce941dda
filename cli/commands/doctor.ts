import { createRequire } from 'node:module';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { totalBytes } from '../../src/model/tensor.js';
import { resetDamagedState } from '../../src/updater/state.js';
import { defineCommand } from '../command.js';
import { UPDATER_FLAGS } from '../flags.js';
import { countOf, formatBytes, printResult } from '../io.js';
import { findOtherTrial, type ModelUpdater, withUpdater } from '../model-updater.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Check everything that updates of a model need, and repair what a power loss left',
  details: [
    'Checks the undo journal, the model, the state of the updater, and the free space of the disk. Says ' +
      'which optional packages are installed; updates need none of them.',
  ],
  args: {},
  flags: UPDATER_FLAGS,
  examples: [{ description: 'Check a model on a device', run: 'doctor --model models/v1.safetensors' }],
  exits: { internal: 'A check failed' },
  async handle(flags, io) {
    await withUpdater(flags, io, async (opened) => {
      const findings = [
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
      printResult(io, flags, { json: { isGood, findings }, lines });
      if (!isGood)
        throw new NeuralDiffError(
          'storage-mismatch',
          `Cannot update model "${flags.model}": see the checks above`,
        );
    });
  },
});

function wordOf({ isGood, isWarning = false }: Pick<Finding, 'isGood' | 'isWarning'>): string {
  if (!isGood) return 'BAD ';
  return isWarning ? 'warn' : 'ok  ';
}

/** Result of one check. */
interface Finding {
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

async function lookAtModel({ storage }: ModelUpdater): Promise<string> {
  const store = await storage.open();
  try {
    const found = await fingerprint(store);
    return `${found}, ${countOf(store.tensors.length, 'tensor')}, ${formatBytes(totalBytes(store.tensors))}`;
  } finally {
    await store.close();
  }
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
