import { pack as packValue } from '../../scripts/golden-seal.js';
import { fromHex } from '../../src/model/bytes.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { layoutOf } from '../../src/payload/header.js';
import { concat, seal } from '../support.js';
import { smallBase } from './samples.js';

export { packValue };

/** @returns a sealed payload of any header value and any records, right or wrong */
export function forge(
  header: unknown,
  records: readonly Uint8Array[] = [],
  magic = 'ndiff1',
): Promise<Uint8Array> {
  return seal(concat(packValue(magic), packValue(header), ...records.map(packValue)));
}

/** @returns a sealed payload whose header is given in bytes */
export function forgeBytes(header: Uint8Array, ...rest: Uint8Array[]): Promise<Uint8Array> {
  return seal(concat(packValue('ndiff1'), header, ...rest));
}

/**
 * @returns header values for the small base without records, some of them changed or, as `undefined`, left
 * out
 */
export async function headerOf(fields: Record<string, unknown> = {}): Promise<unknown[]> {
  const base = fromHex(await fingerprint(openMemoryStore(smallBase())));
  const layout = await layoutOf(smallBase().tensors);
  const whole = { base, next: base, layout, kinds: [], meta: {}, ...fields };
  return Object.values(whole).filter((value) => value !== undefined);
}
