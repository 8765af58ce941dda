// Updates a model in place, forth and back, and ends each trial, until it is killed: node endless-trials.mjs
// MODEL FORTH BACK confirm|rollback. Prints a line before each end of a trial.
import { readFileSync, writeSync } from 'node:fs';
import { applyPayload } from '../../dist/src/entries/apply.js';
import { openModelStorage } from '../../dist/src/entries/node.js';
import { openPayload } from '../../dist/src/index.js';

const [model, forth, back, act] = process.argv.slice(2);
const updates = [];
for (const path of [forth, back]) {
  const bytes = new Uint8Array(readFileSync(path));
  const { base, next } = (await openPayload(bytes)).header;
  updates.push({ bytes, base, next });
}
const storage = await openModelStorage(model);
if ((await storage.recover()) === 'trial') await storage[act]();
for (;;) {
  for (const { bytes, base, next } of updates) {
    try {
      await storage.update(async (store) => void (await applyPayload(store, bytes)), { base, next });
    } catch (error) {
      // The other update is the one that fits.
      if (error.code !== 'wrong-base') throw error;
      continue;
    }
    writeSync(1, `${act}\n`);
    await storage[act]();
  }
}
