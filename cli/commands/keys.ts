import { createKeyPair, KEY_FILES, writeKeyPair } from '../../src/publish/keys.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';

/** Flags of `neural-diff keys`. */
export interface KeysFlags extends CommonFlags {
  readonly out: string;
}

/** Makes a key: the private half for its owner alone, the public half for devices and repositories. */
export async function runKeys(flags: KeysFlags, io: Io): Promise<void> {
  const pair = await createKeyPair();
  await writeKeyPair(flags.out, pair);
  const [privateFile, publicFile] = [flags.out + KEY_FILES.private, flags.out + KEY_FILES.public];
  const { keyid, publicKey } = pair;
  printResult(io, flags, {
    json: { keyid, public: publicKey.keyval.public, privateFile, publicFile },
    lines: [`key      ${keyid}`, `public   ${publicFile}`, `private  ${privateFile}`],
  });
  remark(io, flags, `keep ${privateFile} to yourself: whoever has it can sign`);
}
