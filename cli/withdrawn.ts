import { NeuralDiffError } from '../src/model/errors.js';
import { parseEnvelope } from '../src/release/envelope.js';
import { CUSTOM_FIELD, WITHDRAWN_FIELD } from '../src/release/find-releases.js';
import type { JsonObject } from '../src/release/json.js';
import { TRUST_LIMITS } from '../src/release/limits.js';
import { parseTargets } from '../src/release/metadata.js';
import { parseStatement, type ReleaseStatement } from '../src/release/statement.js';
import { type Disk, readRecord } from '../src/storage/disk.js';

/** The withdrawal of an installed release. */
interface Withdrawal {
  readonly counter: number;
  readonly reason: string;
}

/**
 * Finds out, from the metadata that the last check of an updater verified and stored, whether the release of
 * a model was withdrawn. The check itself fetches the metadata again where these are damaged.
 *
 * @param folder the updater's folder on the disk
 * @param model fingerprint of the installed model
 */
export async function storedWithdrawal(
  { disk, folder }: { readonly disk: Disk; readonly folder: string },
  model: string,
): Promise<Withdrawal | undefined> {
  try {
    const bytes = await readRecord(disk, `${folder}/trust/targets.json`);
    return bytes && withdrawalIn(bytes, model);
  } catch (error) {
    if (error instanceof NeuralDiffError) return undefined;
    throw error;
  }
}

function withdrawalIn(bytes: Uint8Array, model: string): Withdrawal | undefined {
  const untrusted = { what: 'stored targets', maxBytes: TRUST_LIMITS.maxTargetsBytes };
  const { targets } = parseTargets(parseEnvelope(bytes, untrusted).signed, untrusted.what);
  const customs = [...targets.values()].map(({ custom }) => custom);
  const leadsThere = (signed: unknown): boolean => (signed as JsonObject | undefined)?.next === model;
  if (customs.some(({ [CUSTOM_FIELD]: signed }) => leadsThere(signed))) return undefined;
  const found = customs.map(({ [WITHDRAWN_FIELD]: signed }) => signed).find(leadsThere);
  if (found === undefined) return undefined;
  return withdrawalOf(parseStatement(found as JsonObject, 'withdrawn release'));
}

/** @returns what people and programs are told of a withdrawn release */
export const withdrawalOf = ({ counter, withdrawn = '' }: ReleaseStatement): Withdrawal => ({
  counter,
  reason: withdrawn,
});

/** @returns a line for people */
export const describeWithdrawal = ({ counter, reason }: Withdrawal): string =>
  `the installed release ${counter} was withdrawn: ${reason}`;
