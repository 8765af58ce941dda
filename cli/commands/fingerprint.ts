import { fingerprint } from '../../src/model/fingerprint.js';
import { ByteProgress } from '../byte-progress.js';
import { type CommonFlags, type Io, printResult } from '../io.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff fingerprint`. */
export interface FingerprintFlags extends CommonFlags {
  readonly model: string;
}

/** Prints a model's identity. */
export async function runFingerprint(flags: FingerprintFlags, io: Io): Promise<void> {
  const progress = new ByteProgress(io, flags);
  const json = await withModel({ path: flags.model }, async (store) => {
    const found = await fingerprint(store, { signal: io.signal, onProgress: progress.report });
    return { fingerprint: found, tensors: store.tensors };
  }).finally(() => progress.finish());
  printResult(io, flags, { json, lines: [json.fingerprint] });
}
