// The program that steps.ts times: patches MODEL in place with PAYLOAD, without WebAssembly.

import { keepHeapSmall } from '../../cli/open.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openModelStorage } from '../../src/node/open-model.js';
import { openPayloadFile } from '../../src/node/read-payload.js';
import { openPayload } from '../../src/payload/open-payload.js';

keepHeapSmall();
const [model, path] = process.argv.slice(2) as [string, string];
const payload = await openPayloadFile(path);
const storage = await openModelStorage(model);
const { base, next } = (await openPayload(payload)).header;
await storage.update(async (store) => void (await applyPayload(store, payload)), {
  base,
  next,
  isTrial: false,
});
await storage.close();
payload.close();
