import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { applyPayload } from 'neural-diff/apply';
import { openModel } from 'neural-diff/node';
import type { FineTuned, TrainedDiff } from 'neural-diff/train';
import type { DiffRow } from './result.js';

/** A diff that is to be applied to a copy of the base model. */
export interface CopyToPatch {
  readonly kind: DiffRow['kind'];
  /** Holds the base model's folder `base`; the copy goes next to it. */
  readonly folder: string;
  readonly trained: TrainedDiff;
  readonly full: FineTuned;
  /** @returns the accuracy of the model in a folder */
  readonly measure: (folder: string) => Promise<number>;
}

/** Does what a device does, to a copy of the base on disk, then measures that copy. */
export async function patchCopy({ kind, folder, trained, full, measure }: CopyToPatch): Promise<DiffRow> {
  const device = join(folder, `device-${kind}`);
  await cp(join(folder, 'base'), device, { recursive: true });
  const store = await openModel(device, { writable: true });
  const { fingerprint } = await applyPayload(store, trained.payload).finally(() => store.close());
  const accuracy = await measure(device);
  return {
    kind,
    payloadBytes: trained.payload.length,
    share: trained.share,
    accuracy,
    gap: (full.metrics.accuracy as number) - accuracy,
    bitExact: fingerprint === trained.next,
  };
}
