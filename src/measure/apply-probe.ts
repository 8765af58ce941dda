// Patches a model in place as `apply --in-place` does, in a process of its own: MODEL PAYLOAD; without them it only starts.
import { applyPayload } from '../apply/index.js';
import { createPatcher } from '../fast-apply/index.js';
import { hex, NeuralDiffError } from '../model/index.js';
import { openModelStorage, openPayloadFile } from '../node/index.js';
import { openPayload } from '../payload/index.js';

const [model, payload] = process.argv.slice(2);
try {
  const start = performance.now();
  if (model !== undefined && payload !== undefined) await patchInPlace(model, payload);
  const seconds = (performance.now() - start) / 1000;
  print({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 });
} catch (error) {
  const { message, code } = error as NeuralDiffError;
  print({ error: { message, ...(error instanceof NeuralDiffError && { code }) } });
}

async function patchInPlace(path: string, payloadPath: string): Promise<void> {
  const bytes = await openPayloadFile(payloadPath);
  const storage = await openModelStorage(path);
  try {
    await storage.recover();
    const { header } = await openPayload(bytes);
    const names = { base: hex(header.base), next: hex(header.next) };
    await storage.update(
      async (store) => void (await applyPayload(store, bytes, { patcher: createPatcher() })),
      { ...names, isTrial: false },
    );
  } finally {
    await storage.close();
    bytes.close();
  }
}

function print(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
