import { readFileSync } from 'node:fs';
import { applyPayload } from '../../apply/apply-payload.js';
import { createPatcher } from '../../apply/fast/create-patcher.js';
import { NeuralDiffError } from '../../model/errors.js';
import { openModelStorage } from '../../node/open-model.js';
import { openPayloadFile } from '../../node/read-payload.js';
import { openPayload } from '../../payload/decode.js';

// Patches a model in place as `apply --in-place` does, in a process of its own: MODEL PAYLOAD; without them it only starts.

const [model, payload] = process.argv.slice(2);
try {
  const start = performance.now();
  if (model !== undefined && payload !== undefined) await patchInPlace(model, payload);
  const seconds = (performance.now() - start) / 1000;
  print({ seconds, peakBytes: peakBytes() });
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
    const names = { base: header.base, next: header.next };
    await storage.update(
      async (store) => void (await applyPayload(store, bytes, { patcher: createPatcher() })),
      { ...names, isTrial: false },
    );
  } finally {
    await storage.close();
    bytes.close();
  }
}

/** Linux counts the peak of the process that started this one in `maxRSS`; what it says of the memory itself does not. */
function peakBytes(): number {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Other systems have no such file.
  }
  return process.resourceUsage().maxRSS * 1024;
}

function print(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
