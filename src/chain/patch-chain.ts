import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { copyModel, openMemoryStore, type WeightStore } from '../model/store.js';
import { byteLength } from '../model/tensor.js';
import { readDiff } from '../payload/decode.js';
import type { PayloadHeader } from '../payload/diff.js';
import { type OpenPayload, openPayload } from '../payload/open-payload.js';
import { patchModel } from '../payload/patch.js';

/**
 * Applies consecutive payloads to a model in place, without crash safety, as training does with a copy of its
 * base. Everything is computed and checked in memory before anything is written.
 *
 * @param store the model; it is held in memory twice meanwhile
 * @param payloads each made for the result of the previous one
 * @returns fingerprint of the patched model
 * @throws NeuralDiffError `wrong-base`, `broken-chain`, `wrong-layout`, `result-mismatch`, the payloads' own
 *   codes; nothing is written then
 */
export async function patchChain(store: WeightStore, payloads: readonly Uint8Array[]): Promise<string> {
  const parts: OpenPayload[] = [];
  for (const bytes of payloads) parts.push(await openPayload(bytes));
  const headers = parts.map(({ header }) => header);
  const original = await copyModel(store);
  let model = original;
  let found = await fingerprint(openMemoryStore(model));
  const [first] = headers;
  if (first && first.base !== found) throw mismatch('wrong-base', 'is for', [first.base, found]);
  checkChain(headers);
  for (const [i, part] of parts.entries()) {
    const { header } = part;
    model = patchModel(model, await readDiff(part, model.tensors));
    found = await fingerprint(openMemoryStore(model));
    if (header.next !== found)
      throw mismatch('result-mismatch', `number ${i + 1} promises`, [header.next, found]);
  }
  // Tensors that no payload changes are not written: they may be read-only.
  for (const [i, tensor] of model.tensors.entries()) {
    if (tensor !== original.tensors[i] && byteLength(tensor) > 0)
      await store.write(tensor.name, 0, tensor.bytes);
  }
  await store.flush();
  return found;
}

function mismatch(
  code: 'wrong-base' | 'result-mismatch',
  what: string,
  [wanted, met]: readonly [string, string],
): NeuralDiffError {
  const facts = { expected: wanted, found: met };
  const message = `Cannot apply consecutive payloads: expected ${facts.expected}, which the payload ${what}, got ${facts.found}`;
  return new NeuralDiffError(code, message, { facts });
}

/**
 * Checks that each payload is made for the result of the previous one.
 *
 * @throws NeuralDiffError `broken-chain`
 */
export function checkChain(headers: readonly PayloadHeader[]): void {
  headers.forEach(({ base }, i) => {
    const before = headers[i - 1];
    if (before === undefined || before.next === base) return;
    const facts = { place: i + 1, expected: before.next, found: base };
    const message = `Cannot follow payloads: expected payload ${facts.place} of ${headers.length} to be for ${facts.expected}, the result of the previous one, got one for ${facts.found}`;
    throw new NeuralDiffError('broken-chain', message, { facts });
  });
}
