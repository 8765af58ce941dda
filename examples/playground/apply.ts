import { fingerprint, openContainer, openPayload, type WeightStore } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { compareTensors, factsOf } from './compare-tensors.js';
import type { Applied, Job, Tell } from './jobs.js';
import { openBlobs, openPicked, type PickedModel, readBlob } from './picked-files.js';

/** Applies a payload to a copy of a model, and compares both. */
export async function apply(
  { base: picked, payload: blob }: Extract<Job, { type: 'apply' }>,
  tell: Tell,
): Promise<Applied> {
  const base = await openPicked(picked);
  const payload = await readBlob(blob);
  const { header } = await openPayload(payload);
  const before = await fingerprint(base.store);
  let copy = await openPicked(picked);
  const store = replaceable(copy, (next) => {
    copy = next;
  });
  const { fingerprint: found } = await applyPayload(store, payload, { onProgress: tell.progress });
  return {
    base: factsOf(base.store, before),
    next: factsOf(copy.store, found),
    payloadBytes: payload.length,
    promised: header.next,
    files: copy.files.list(),
    rows: await compareTensors(base.store, copy.store, tell),
  };
}

/** @returns a store that payloads of new files may replace */
function replaceable(model: PickedModel, onReplace: (next: PickedModel) => void): WeightStore {
  let { store } = model;
  return {
    get tensors() {
      return store.tensors;
    },
    ...(store.readOnly && { readOnly: store.readOnly }),
    ...(store.parts && { parts: () => store.parts?.() as ReturnType<NonNullable<WeightStore['parts']>> }),
    async rewrite(write) {
      const files = openBlobs([], true);
      const main = await write(files);
      store = await openContainer(files, main);
      onReplace({ store, main, files });
    },
    readInto: (name, offset, target) => store.readInto(name, offset, target),
    write: (name, offset, bytes) => store.write(name, offset, bytes),
    flush: () => store.flush(),
    close: () => store.close(),
  };
}
