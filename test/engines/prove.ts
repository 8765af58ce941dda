// The program that every engine runs.
import { type Found, findCapabilities, writeInWorker } from './capabilities.js';
import { type KitCase, runKit } from './kit.js';
import { runTrust, runUpdate, type SignedFiles, type UpdateCase } from './update.js';

/** What is run in every engine. */
export interface Cases {
  readonly kit: readonly KitCase[];
  readonly update: UpdateCase;
  readonly trust: readonly (SignedFiles & { readonly expected: string })[];
}

/** What came of it: what went wrong, or nothing. */
export interface Proof {
  readonly cases: number;
  readonly kit: readonly string[];
  readonly update: readonly string[];
  readonly trust: readonly string[];
  readonly found: Found;
}

/**
 * Runs the conformance kit, an update, and the verification of signatures.
 *
 * @param text JSON of `Cases`, with bytes as `{ "hex": "00ff" }`
 */
async function prove(text: string): Promise<Proof> {
  const { kit, update, trust } = JSON.parse(text, (_, each) =>
    typeof each?.hex === 'string' ? bytesOf(each.hex) : each,
  ) as Cases;
  return {
    cases: kit.length,
    kit: await runKit(kit),
    update: await runUpdate(update),
    trust: await runTrust(trust),
    found: await findCapabilities(),
  };
}

const bytesOf = (digits: string): Uint8Array =>
  Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );

Object.assign(globalThis, { prove, writeInWorker });
