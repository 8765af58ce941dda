import { fromHex, hex } from '../model/bytes.js';
import { verifyEcdsa } from './ecdsa.js';
import { type VerifyEd25519, verifyEd25519 } from './ed25519.js';
import { canonicalJson, Fields, type JsonObject, parseJson, type Untrusted } from './json.js';
import { keyBytes, type ReleaseKey } from './keys.js';
import { MAX_SIGNATURES, refuse } from './limits.js';

/** A signature and the ID of the claimed key. */
interface Signature {
  readonly keyid: string;
  readonly bytes: Uint8Array;
}

/** A file in TUF's form: signed content, not yet interpreted, and signatures. */
export interface Envelope {
  /** Description of the file for errors. */
  readonly what: string;
  /** The whole file. */
  readonly file: JsonObject;
  /** Untrusted before `checkSignatures`. */
  readonly signed: JsonObject;
  readonly signatures: readonly Signature[];
}

/** The keys that may sign, by key ID, and the number of them that must. */
export interface Signers {
  readonly keys: ReadonlyMap<string, ReleaseKey>;
  readonly threshold: number;
}

/** Lower-case pairs of digits; empty for signatures that tools leave to be filled in. */
const HEX = /^([0-9a-f]{2}){0,512}$/;

/**
 * Parses the envelope of a signed file, without interpreting the signed content.
 *
 * @throws NeuralDiffError `metadata-corrupt`, `limit-exceeded`; `signature-invalid` for two signatures with
 *   one key ID
 */
export function parseEnvelope(bytes: Uint8Array, untrusted: Untrusted): Envelope {
  const { what } = untrusted;
  const file = new Fields(parseJson(bytes, untrusted), what);
  const signatures = file.list('signatures', MAX_SIGNATURES).map((value) => {
    const fields = new Fields(value, `${what}, signature`);
    return { keyid: fields.text('keyid'), bytes: fromHex(fields.text('sig', HEX)) };
  });
  checkDistinct(signatures, what);
  return { what, file: file.object, signed: file.fields('signed').object, signatures };
}

/** TUF 4.2: key IDs of signatures are distinct, so that no reader counts a key twice. */
function checkDistinct(signatures: readonly Signature[], what: string): void {
  const keyids = signatures.map(({ keyid }) => keyid);
  const twice = keyids.find((keyid, i) => keyids.indexOf(keyid) < i);
  if (twice === undefined) return;
  throw refuse(
    'signature-invalid',
    `Cannot trust ${what}: expected one signature by key "${twice}", got more`,
  );
}

/**
 * Checks that enough keys signed. Each public key counts once, even with several key IDs or encodings.
 *
 * @returns the IDs of the keys that signed
 * @throws NeuralDiffError `signature-invalid` for fewer keys than the threshold
 */
export async function checkSignatures(
  { what, signed, signatures }: Envelope,
  { keys, threshold }: Signers,
  verify: VerifyEd25519 = verifyEd25519,
): Promise<readonly string[]> {
  const message = canonicalJson(signed);
  const signers = new Map<string, string>();
  for (const { keyid, bytes } of signatures) {
    const key = keys.get(keyid);
    if (key === undefined) continue;
    const publicKey = keyBytes(key);
    const signer = hex(publicKey);
    if (signers.has(signer)) continue;
    const verifyOne = key.keytype === 'ed25519' ? verify : verifyEcdsa;
    if (await verifyOne({ publicKey, signature: bytes, message })) signers.set(signer, keyid);
  }
  if (signers.size >= threshold) return [...signers.values()];
  const facts = { expected: threshold, found: signers.size };
  const problem = `expected valid signatures by ${threshold} of ${keys.size} keys, got ${signers.size}`;
  throw refuse('signature-invalid', `Cannot trust ${what}: ${problem}`, facts);
}
