import { type NeuralDiffError, openMemoryFiles } from 'neural-diff';
import { installSlots, openSlots, type SlotOptions } from 'neural-diff/storage';
import { openLiveModel, useBackend } from 'neural-diff/tfjs';
import { createUpdater, openHttpSource, type Updater, type UpdaterOptions } from 'neural-diff/updater';
import { copyStore } from '../common/copy-store.js';
import { checkGolden } from '../common/golden.js';
import { loadKept, openKeptSlots } from './kept-model.js';

/** Where a model is kept, and where it comes from. */
export interface KeptUpdaterOptions extends Pick<UpdaterOptions, 'root' | 'onEvent' | 'selfTest'> {
  /** Name of the database that keeps the model. */
  readonly database: string;
  /** Address of the folder of the model that is installed where there is none. */
  readonly base: string;
  /** Address of the repository that is followed. */
  readonly releases: string;
}

/** Milliseconds that the lock of a page that was closed may outlive it. */
const LOCK_MS = 10_000;

/**
 * Opens the updater of the model that this browser keeps, in a page or a worker; installs the model first
 * where there is none. A trial that was not ended goes on: call `start` first.
 */
export async function openKeptUpdater(options: KeptUpdaterOptions): Promise<Updater> {
  await useBackend('cpu');
  const slots = await openKeptSlots(options.database);
  const { disk } = slots;
  const storage = openSlots(slots);
  await whenFree(() => disk.withLock('install', () => installOnce(slots, options.base)));
  const testGolden: UpdaterOptions['selfTest'] = async (store, { golden }) => {
    const trial = await loadKept(slots);
    await copyStore(store, openLiveModel(trial));
    checkGolden(trial, golden);
    trial.dispose();
  };
  const { root, onEvent, selfTest = testGolden } = options;
  const source = openHttpSource({ url: options.releases });
  const updater = createUpdater({ storage, disk, folder: 'updates', source, root, onEvent, selfTest });
  return { ...updater, start: () => whenFree(() => updater.start()) };
}

/** Downloads a model into this browser, where it keeps none yet. */
async function installOnce(slots: SlotOptions, address: string): Promise<void> {
  try {
    await openSlots(slots).recover();
  } catch (error) {
    if ((error as NeuralDiffError).code !== 'file-not-found') throw error;
    const files = await downloadModel(address);
    await installSlots(slots, openMemoryFiles(files), [...files.keys()]);
  }
}

async function downloadModel(address: string): Promise<Map<string, Uint8Array>> {
  const json = await download(`${address}/model.json`);
  const { weightsManifest } = JSON.parse(new TextDecoder().decode(json)) as {
    weightsManifest: { paths: string[] }[];
  };
  const files = new Map([['model.json', json]]);
  for (const path of weightsManifest.flatMap(({ paths }) => paths))
    files.set(path, await download(`${address}/${path}`));
  return files;
}

async function download(address: string): Promise<Uint8Array> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A page that was just closed, or another tab that starts, may hold the lock for a moment. */
async function whenFree<T>(act: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + LOCK_MS; ; ) {
    try {
      return await act();
    } catch (error) {
      if ((error as NeuralDiffError).code !== 'locked' || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
