import { equalBytes, hex, NeuralDiffError } from '../model/index.js';
import type { PayloadHeader } from '../payload/index.js';

/**
 * Checks that each payload of a row is made for the result of the one before.
 *
 * @throws NeuralDiffError `broken-chain`
 */
export function checkChain(headers: readonly PayloadHeader[]): void {
  headers.forEach(({ base }, i) => {
    const before = headers[i - 1];
    if (before === undefined || equalBytes(before.next, base)) return;
    const facts = { place: i + 1, expected: hex(before.next), found: hex(base) };
    const message = `Cannot follow payloads in a row: expected payload ${facts.place} of ${headers.length} to be for ${facts.expected}, which the one before gives, got one for ${facts.found}`;
    throw new NeuralDiffError('broken-chain', message, { facts });
  });
}
