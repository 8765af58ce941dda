import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromBase64, fromHex, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from '../node/file-errors.js';
import { verifyEd25519 } from '../release/ed25519.js';
import { canonicalJson, type JsonObject } from '../release/json.js';
import { keyIdOf, type ReleaseKey, releaseKey } from '../release/keys.js';

/** A private key that signs; it cannot be exported. */
export interface Signer {
  readonly key: ReleaseKey;
  /** Key ID in signatures: SHA-256 of the public key's canonical JSON, in hexadecimal digits. */
  readonly keyid: string;
  /** @returns an Ed25519 signature of 64 bytes */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A new key pair, as the JSON content of its files. */
export interface KeyPair {
  readonly keyid: string;
  readonly publicKey: ReleaseKey;
  /** The public key with the private key added: PKCS #8 (RFC 8410) in base64. */
  readonly privateKey: ReleaseKey & { readonly keyval: { readonly private: string } };
}

/** Suffixes of the files that `writeKeyPair` writes. */
export const KEY_FILES = { private: '.key.json', public: '.pub.json' } as const;

const encoder = new TextEncoder();

/** Creates an Ed25519 key pair with WebCrypto. */
export async function createKeyPair(): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const publicKey = releaseKey(new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  const keyval = { ...publicKey.keyval, private: btoa(String.fromCharCode(...pkcs8)) };
  return { keyid: await keyIdOf(publicKey), publicKey, privateKey: { ...publicKey, keyval } };
}

/**
 * Writes a key pair, the private key readable by its owner only (mode 0600). The folder is created if missing
 * (mode 0700). An existing key is never replaced.
 *
 * @param path path without a suffix: `keys/root` writes `keys/root.key.json` and `keys/root.pub.json`
 * @throws NeuralDiffError `output-exists`, `file-not-found`, `file-unreadable`, `no-space`
 */
export async function writeKeyPair(path: string, { publicKey, privateKey }: KeyPair): Promise<void> {
  const halves = [
    { file: path + KEY_FILES.private, half: privateKey, mode: 0o600 },
    { file: path + KEY_FILES.public, half: publicKey, mode: 0o644 },
  ];
  for (const { file, half, mode } of halves)
    await withFileErrors(`Cannot write key "${file}"`, async () => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, `${JSON.stringify(half, null, 2)}\n`, { flag: 'wx', mode, flush: true });
    });
}

/**
 * Reads a public key, from the file of either the public or the private key.
 *
 * @param bytes the file
 * @param name the file's name for errors
 * @throws NeuralDiffError `key-invalid`
 */
export function openPublicKey(bytes: Uint8Array, name: string): ReleaseKey {
  const { keytype, scheme, keyval } = parse(bytes, name);
  const isEd25519 = keytype === 'ed25519' && scheme === 'ed25519';
  if (!isEd25519 || typeof keyval?.public !== 'string') throw invalid(name, 'expected an Ed25519 key');
  try {
    return releaseKey(keyval.public);
  } catch (cause) {
    if (cause instanceof NeuralDiffError)
      throw invalid(name, 'expected a public key that is a point of Ed25519, not of small order', cause);
    throw invalid(name, 'expected a public key of 64 hexadecimal digits', cause);
  }
}

/**
 * Reads a private key, and checks that it matches its public key by signing a test message.
 *
 * @param bytes the file
 * @param name the file's name for errors
 * @throws NeuralDiffError `key-invalid`
 */
export async function openSigner(bytes: Uint8Array, name: string): Promise<Signer> {
  const key = openPublicKey(bytes, name);
  const text = parse(bytes, name).keyval?.private;
  if (typeof text !== 'string') throw invalid(name, 'expected a private key, got a public one');
  const privateKey = await importPrivate(text, name);
  const sign = async (message: Uint8Array) =>
    new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message as Uint8Array<ArrayBuffer>));
  const message = encoder.encode('neural-diff: do both halves of this key belong together?');
  const publicKey = fromHex(key.keyval.public);
  if (!(await verifyEd25519({ publicKey, signature: await sign(message), message })))
    throw invalid(name, 'expected a matching public key');
  return { key, keyid: await keyIdOf(key), sign };
}

async function importPrivate(base64: string, name: string): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('pkcs8', fromBase64(base64), 'Ed25519', false, ['sign']);
  } catch (cause) {
    throw invalid(name, 'expected PKCS #8 in base64', cause);
  }
}

/** @returns a file of canonical JSON with the signed content and the signatures of all signers */
export async function signedBy(signers: readonly Signer[], signed: JsonObject): Promise<Uint8Array> {
  const message = canonicalJson(signed);
  const signatureOf = async ({ keyid, sign }: Signer) => ({ keyid, sig: hex(await sign(message)) });
  return canonicalJson({ signatures: await Promise.all(signers.map(signatureOf)), signed });
}

interface KeyFile {
  readonly keytype?: unknown;
  readonly scheme?: unknown;
  readonly keyval?: { readonly public?: unknown; readonly private?: unknown };
}

function parse(bytes: Uint8Array, name: string): KeyFile {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw invalid(name, 'expected JSON', cause);
  }
  throw invalid(name, 'expected a JSON object');
}

/** @returns the error for a key file; it must not quote the file's content */
function invalid(name: string, problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('key-invalid', `Cannot read key "${name}": ${problem}`, { cause });
}
