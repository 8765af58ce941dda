import { fingerprint, hex } from '../../src/index.js';
import { openModel } from '../../src/node/index.js';
import { type CommonFlags, type Io, printResult } from '../io.js';

/** Flags of `neural-diff fingerprint`. */
export interface FingerprintFlags extends CommonFlags {
  readonly model: string;
}

/** Prints a model's identity. */
export async function runFingerprint(flags: FingerprintFlags, io: Io): Promise<void> {
  const store = await openModel(flags.model);
  try {
    const digits = hex(await fingerprint(store, { signal: io.signal }));
    const json = { fingerprint: digits, tensors: store.tensors };
    printResult(io, flags, { json, lines: [digits] });
  } finally {
    await store.close();
  }
}
