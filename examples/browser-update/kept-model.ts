import type * as tf from '@tensorflow/tfjs';
import { openLayersStore } from 'neural-diff';
import {
  type BrowserDisk,
  filesOnDisk,
  openIndexedDbDisk,
  openSlots,
  type SlotOptions,
} from 'neural-diff/storage';
import { loadModel, openLiveModel, useBackend } from 'neural-diff/tfjs';
import { copyStore } from '../common/copy-store.js';

/** A model that predicts in this page, and is kept in this browser. */
export interface KeptModel {
  /** The live model; its weights change with `refresh` alone. */
  readonly model: tf.LayersModel;
  /** Gives the live model the weights that are stored now, between two predictions. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Where a model is kept, and on which disk. */
export type KeptSlots = SlotOptions & { readonly disk: BrowserDisk };

export async function openKeptSlots(database: string): Promise<KeptSlots> {
  return { disk: await openIndexedDbDisk({ database }), folder: 'model', openModel: openLayersStore };
}

/** Loads the model that this browser keeps, once an updater has installed and recovered it. */
export async function openKeptModel(database: string): Promise<KeptModel> {
  await useBackend('cpu');
  const slots = await openKeptSlots(database);
  const model = await loadKept(slots);
  askToPersist();
  return {
    model,
    async refresh() {
      const store = await openSlots(slots).open();
      await copyStore(store, openLiveModel(model)).finally(() => store.close());
    },
    async close() {
      model.dispose();
      await slots.disk.close();
    },
  };
}

/** @returns the model of the active slot */
export async function loadKept(slots: KeptSlots): Promise<tf.LayersModel> {
  return loadModel(filesOnDisk({ disk: slots.disk, folder: await openSlots(slots).folder() }));
}

/** Only pages can ask. Not waited for: Firefox asks the person, who may never answer; some cannot. */
function askToPersist(): void {
  const { storage }: { storage?: Partial<StorageManager> } = navigator;
  void storage?.persist?.().catch(() => undefined);
}
