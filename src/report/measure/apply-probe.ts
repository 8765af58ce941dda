import { readFileSync } from 'node:fs';
import { applyPayload } from '../../apply/apply-payload.js';
import { createPatcher } from '../../apply/fast/create-patcher.js';
import { NeuralDiffError } from '../../model/errors.js';
import { openModelStorage } from '../../node/open-model.js';
import { openPayloadFile } from '../../node/read-payload.js';
import { openPayload } from '../../payload/open-payload.js';
import { makeModel } from './make-model.js';

// A program that patches a model in place like `apply --in-place`: MODEL PAYLOAD; or, like `apply --out`,
// makes the new files of a payload in a folder: MODEL PAYLOAD FOLDER. Without arguments it only starts.

const [model, payload, folder] = process.argv.slice(2);
try {
  const start = performance.now();
  if (model !== undefined && payload !== undefined) {
    if (folder === undefined) await patchInPlace(model, payload);
    else await makeFiles(model, payload, folder);
  }
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

async function makeFiles(path: string, payloadPath: string, to: string): Promise<void> {
  const bytes = await openPayloadFile(payloadPath);
  await makeModel(path, bytes, { to }).finally(() => bytes.close());
}

/** Reads VmHWM on Linux, as `maxRSS` there includes the peak of the parent process. */
function peakBytes(): number {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Only Linux has this file.
  }
  return process.resourceUsage().maxRSS * 1024;
}

function print(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
