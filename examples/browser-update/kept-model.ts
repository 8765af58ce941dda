import type * as tf from '@tensorflow/tfjs';
import { type NeuralDiffError, openLayersStore, openMemoryFiles } from 'neural-diff';
import {
  filesOnDisk,
  installSlots,
  openIndexedDbDisk,
  openSlots,
  type SlotOptions,
} from 'neural-diff/storage';
import { loadModel, openLiveModel, useBackend } from 'neural-diff/tfjs';
import { createUpdater, openHttpSource, type Updater, type UpdaterOptions } from 'neural-diff/updater';
import { copyStore } from '../common/copy-store.js';
import { checkGolden } from '../common/golden.js';

/** Where a model is kept, and where it comes from. */
export interface KeptModelOptions extends Pick<UpdaterOptions, 'root' | 'onEvent' | 'selfTest'> {
  /** Name of the database that keeps the model. */
  readonly database: string;
  /** Address of the folder of the model that is installed where there is none. */
  readonly base: string;
  /** Address of the repository that is followed. */
  readonly releases: string;
}

/** A model that predicts in this page, and is kept and updated in this browser. */
export interface KeptModel {
  /** The live model; its weights change with `refresh` alone. */
  readonly model: tf.LayersModel;
  readonly updater: Updater;
  /** Gives the live model the weights that are stored now, between two predictions. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds that the lock of a page that was closed may outlive it. */
const LOCK_MS = 5_000;

/** Opens the model that this browser keeps; installs it first where there is none. */
export async function openKeptModel(options: KeptModelOptions): Promise<KeptModel> {
  await useBackend('cpu');
  const disk = await openIndexedDbDisk({ database: options.database });
  const slots: SlotOptions = { disk, folder: 'model', openModel: openLayersStore };
  const storage = openSlots(slots);
  await whenFree(() => disk.withLock('install', () => installOnce(slots, options.base)));
  const load = async (): Promise<tf.LayersModel> =>
    loadModel(filesOnDisk({ disk, folder: await storage.folder() }));
  const testGolden: UpdaterOptions['selfTest'] = async (store, { golden }) => {
    const trial = await load();
    await copyStore(store, openLiveModel(trial));
    checkGolden(trial, golden);
    trial.dispose();
  };
  const { root, onEvent, selfTest = testGolden } = options;
  const source = openHttpSource({ url: options.releases });
  const updater = createUpdater({ storage, disk, folder: 'updates', source, root, onEvent, selfTest });
  await whenFree(() => updater.start());
  const model = await load();
  return {
    model,
    updater,
    async refresh() {
      const store = await storage.open();
      await copyStore(store, openLiveModel(model)).finally(() => store.close());
    },
    async close() {
      model.dispose();
      await disk.close();
    },
  };
}

/** Downloads a model into this browser, where it keeps none yet. */
async function installOnce(slots: SlotOptions, address: string): Promise<void> {
  try {
    await openSlots(slots).recover();
  } catch (error) {
    if ((error as NeuralDiffError).code !== 'file-not-found') throw error;
    const files = await downloadModel(address);
    await installSlots(slots, openMemoryFiles(files), [...files.keys()]);
    askToPersist();
  }
}

/** Not waited for: Firefox asks the person, who may never answer; some browsers have nothing to ask. */
function askToPersist(): void {
  const { storage }: { storage?: Partial<StorageManager> } = navigator;
  void storage?.persist?.().catch(() => undefined);
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
