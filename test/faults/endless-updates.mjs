// Updates a model in place and rolls it back, again and again, until it is killed: node endless-updates.mjs
// MODEL PAYLOAD BASE NEXT
import { readFileSync } from 'node:fs';
import { applyPayload } from '../../dist/src/entries/apply.js';
import { openModelStorage } from '../../dist/src/entries/node.js';

const [model, payload, base, next] = process.argv.slice(2);
const bytes = new Uint8Array(readFileSync(payload));
const storage = await openModelStorage(model);
if ((await storage.recover()) === 'trial') await storage.rollback();
process.stdout.write('ready\n');
for (;;) {
  await storage.update(async (store) => void (await applyPayload(store, bytes)), { base, next });
  await storage.rollback();
}
