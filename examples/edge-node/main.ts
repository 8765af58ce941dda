// Keeps the model of a device up to date: `node dist/examples/edge-node/main.js --model DIR --repo URL --root
// FILE`.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { NeuralDiffError, type WeightStore } from 'neural-diff';
import { openFolder, openModelStorage } from 'neural-diff/node';
import { loadModel, openLiveModel, useBackend } from 'neural-diff/tfjs';
import { createUpdater, openHttpSource, type UpdaterEvent } from 'neural-diff/updater';
import { copyStore } from '../common/copy-store.js';
import { checkGolden } from '../common/golden.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    repo: { type: 'string' },
    root: { type: 'string' },
    'device-class': { type: 'string' },
  },
});
const { model: folder, repo, root, 'device-class': deviceClass } = flags;
if (!folder || !repo || !root) throw new TypeError('Expected --model DIR --repo URL --root FILE');

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const storage = await openModelStorage(folder);
const updater = createUpdater({
  storage,
  disk: storage.disk,
  folder: `${storage.file}.updates`,
  source: openHttpSource({ url: repo }),
  root: await readFile(root),
  deviceClass,
  onEvent,
  selfTest: (store, { golden }) => tryModel(store, golden),
});
try {
  // What is on trial now was left by a run that was cut off: `start` counts these, and rolls back after
  // three.
  if ((await updater.start()).status === 'trial') await endTrial();
  const { status, missed } = await updater.update();
  if (status === 'updated') await endTrial();
  else say(missed ? `${status}: ${missed.reason}` : status);
  say(`model ${(await updater.status()).fingerprint}`);
} catch (error) {
  if (!(error instanceof NeuralDiffError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await storage.close();
}

/**
 * Keeps the model that is on trial if it runs from where it is stored, and goes back to the one before
 * otherwise.
 */
async function endTrial(): Promise<void> {
  const store = await storage.open();
  const problem = await tryModel(store).catch((error: Error) => error);
  await store.close();
  if (problem) say(`the model does not run: ${problem.message}`);
  await (problem ? updater.rollback() : updater.confirm());
}

/**
 * Runs a model of this one's layers with other weights. @throws Error where its outputs are not the signed
 * ones
 */
async function tryModel(store: WeightStore, golden?: Uint8Array): Promise<void> {
  await useBackend('wasm');
  const files = await openFolder(folder as string);
  const model = await loadModel(files).finally(() => files.close());
  await copyStore(store, openLiveModel(model));
  checkGolden(model, golden);
  model.dispose();
}

function onEvent(event: UpdaterEvent): void {
  if (event.type === 'planned') say(`planned: ${event.plan.reason}`);
  else if (event.type === 'state-reset') say(`${event.type}: ${event.aside}`);
  else if (event.type === 'progress') sayDownloaded(event);
  else if (event.type !== 'outcome') say(`${event.type}: ${event.next}`);
}

function sayDownloaded({ phase, name, done, total }: Extract<UpdaterEvent, { type: 'progress' }>): void {
  if (phase === 'download' && done === total) say(`downloaded: ${name}, ${total} bytes`);
}
