import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { totalBytes } from '../../src/model/tensor.js';
import { formatBytes, type Io, printResult } from '../io.js';
import { findOtherTrial } from '../other-updater.js';
import { type ModelFlags, type ModelUpdater, withUpdater } from '../with-updater.js';

/** One thing that was looked at. */
interface Finding {
  readonly check: string;
  readonly isGood: boolean;
  readonly text: string;
}

/** Looks at everything that an update of a model needs, and puts right what a cut left. */
export async function runDoctor(flags: ModelFlags, io: Io): Promise<void> {
  await withUpdater(flags, io, async (opened) => {
    const findings = [
      await look('storage', () => lookAtStorage(opened)),
      await look('model', () => lookAtModel(opened)),
      await look('updater', () => lookAtUpdater(opened)),
      await look('disk', () => lookAtDisk(flags.model, opened)),
    ];
    const isGood = findings.every((finding) => finding.isGood);
    const lines = findings.map(
      ({ check, isGood: good, text }) => `${good ? 'ok  ' : 'BAD '} ${check.padEnd(8)} ${text}`,
    );
    printResult(io, flags, { json: { isGood, findings }, lines });
    if (!isGood)
      throw new NeuralDiffError('storage-mismatch', `Model "${flags.model}" needs help: see above`);
  });
}

async function look(check: string, at: () => Promise<string>): Promise<Finding> {
  try {
    return { check, isGood: true, text: await at() };
  } catch (error) {
    return { check, isGood: false, text: (error as Error).message };
  }
}

async function lookAtStorage({ storage }: ModelUpdater): Promise<string> {
  const found = await storage.recover();
  return found === 'undone' ? 'an update had not come to its end; it was undone' : found;
}

async function lookAtModel({ storage }: ModelUpdater): Promise<string> {
  const store = await storage.open();
  try {
    const name = await fingerprint(store);
    return `${name}, ${store.tensors.length} tensors, ${formatBytes(totalBytes(store.tensors))}`;
  } finally {
    await store.close();
  }
}

async function lookAtUpdater({ updater, ...own }: ModelUpdater): Promise<string> {
  const { counter, trial, rejectedModels, fingerprint: name } = await updater.status();
  const other = await findOtherTrial(own, async () => name);
  const none = other ? `on trial by the updater in ${other}: give --updates ${other}` : 'no trial';
  const trials = trial ? `on trial since ${trial.starts} starts` : none;
  return `counter ${counter}, ${trials}, ${rejectedModels.length} models that are not tried again`;
}

/** An update in place takes the pages that it touches, at most the model again, and its payloads. */
async function lookAtDisk(path: string, { storage }: ModelUpdater): Promise<string> {
  const { bavail, bsize } = await statfs(dirname(path));
  const store = await storage.open();
  const needed = totalBytes(store.tensors);
  await store.close();
  const free = bavail * bsize;
  const text = `${formatBytes(free)} free, an update of everything takes ${formatBytes(needed)}`;
  if (free < needed) throw new Error(`only ${text}`);
  return text;
}
