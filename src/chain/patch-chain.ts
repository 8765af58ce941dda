import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { copyModel, openMemoryStore, type WeightStore } from '../model/store.js';
import { byteLength } from '../model/tensor.js';
import { type OpenPayload, openPayload, readDiff } from '../payload/decode.js';
import type { PayloadHeader } from '../payload/diff.js';
import { patchModel } from '../payload/patch.js';

/**
 * Applies payloads in a row to a model that may be written freely, as training does to a copy of its base: all is
 * computed and checked in memory, then written.
 *
 * @param store the model, held in memory twice meanwhile
 * @param payloads each made for the result of the one before
 * @returns fingerprint of the model as it is now
 * @throws NeuralDiffError `wrong-base`, `broken-chain`, `wrong-layout`, `result-mismatch`, the payloads' own codes:
 *   nothing is written then
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
  // What no payload touches is left alone: it may be what nobody can write.
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
  const message = `Cannot apply payloads in a row: expected ${facts.expected}, which the payload ${what}, got ${facts.found}`;
  return new NeuralDiffError(code, message, { facts });
}

/**
 * Checks that each payload of a row is made for the result of the one before.
 *
 * @throws NeuralDiffError `broken-chain`
 */
export function checkChain(headers: readonly PayloadHeader[]): void {
  headers.forEach(({ base }, i) => {
    const before = headers[i - 1];
    if (before === undefined || before.next === base) return;
    const facts = { place: i + 1, expected: before.next, found: base };
    const message = `Cannot follow payloads in a row: expected payload ${facts.place} of ${headers.length} to be for ${facts.expected}, which the one before gives, got one for ${facts.found}`;
    throw new NeuralDiffError('broken-chain', message, { facts });
  });
}
