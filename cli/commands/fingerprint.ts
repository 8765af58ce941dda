import { fingerprint, hex } from '../../src/index.js';
import { type CommonFlags, type Io, printResult } from '../io.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff fingerprint`. */
export interface FingerprintFlags extends CommonFlags {
  readonly model: string;
}

/** Prints a model's identity. */
export async function runFingerprint(flags: FingerprintFlags, io: Io): Promise<void> {
  const json = await withModel({ path: flags.model }, async (store) => {
    return { fingerprint: hex(await fingerprint(store, { signal: io.signal })), tensors: store.tensors };
  });
  printResult(io, flags, { json, lines: [json.fingerprint] });
}
