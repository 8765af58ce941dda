import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { fromHex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from '../node/file-errors.js';
import { Fields, parseJson } from '../release/json.js';
import { HEX_32 } from '../release/keys.js';
import { refuse } from '../release/limits.js';

/** Media type of a Sigstore bundle. */
const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** Types of what is signed: an in-toto statement about the files of a model. */
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

/** Names at the top of a model's folder that no signature covers. */
const IGNORED = ['.git', '.gitattributes', '.github', '.gitignore'];

/** Hash of signatures by the curve of the key. */
const HASHES: Readonly<Record<string, string>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};

const MAX_BUNDLE_BYTES = 2 ** 26;
const MAX_FILES = 2 ** 20;

/** A file of a model. */
interface SignedName {
  /** Path in the model, with `/` between segments. */
  readonly name: string;
  /** SHA-256 in hexadecimal digits. */
  readonly digest: string;
}

/** Signs all files of a model. */
interface Signing {
  /** A private key on P-256, P-384 or P-521 in PEM. */
  readonly key: Uint8Array;
  /** Path of the bundle, which it does not cover. */
  readonly bundle: string;
}

/**
 * Signs the files of a model in the form of OpenSSF Model Signing 1.0: a Sigstore bundle with a DSSE envelope
 * around an in-toto statement with the SHA-256 of each file.
 *
 * @param model path of a file or folder
 * @returns the bundle, and how many files it covers
 * @throws NeuralDiffError `key-invalid`; `unsafe-path` for links and names that are not text; `empty-model`;
 *   `file-not-found`, `file-unreadable`
 */
export async function signModelFiles(
  model: string,
  { key, bundle }: Signing,
): Promise<{ readonly bytes: Uint8Array; readonly files: number }> {
  const privateKey = openKey(key, createPrivateKey);
  const ignored = [...IGNORED, ...insideOf(model, bundle)];
  const files = await hashFiles(model, ignored);
  const resources = files.map(({ name, digest }) => ({ name, digest, algorithm: 'sha256' }));
  const root = createHash('sha256');
  for (const { digest } of files) root.update(fromHex(digest));
  const method = { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: ignored };
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: basename(resolve(model)), digest: { sha256: root.digest('hex') } }],
    predicateType: PREDICATE_TYPE,
    predicate: { resources, serialization: method },
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const signature = sign(hashOf(privateKey), encodeForSigning(payload), privateKey);
  const hint = hintOf(createPublicKey(privateKey));
  const made = {
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  };
  return { bytes: new TextEncoder().encode(`${JSON.stringify(made)}\n`), files: files.length };
}

/** What a bundle is verified with. */
interface Verification extends Signing {
  /** Content of the bundle. */
  readonly bytes: Uint8Array;
}

/**
 * Verifies a bundle of OpenSSF Model Signing, and that a model has exactly the files that it covers.
 *
 * @param model path of a file or folder
 * @param input bundle and public key; the paths that the bundle ignores are not compared
 * @returns how many files it covers
 * @throws NeuralDiffError `signature-invalid`; `metadata-mismatch` for files that were changed, removed or
 *   added; `metadata-corrupt`, `unsupported-version`, and the codes of `signModelFiles`
 */
export async function verifyModelFiles(
  model: string,
  { bytes, key, bundle }: Verification,
): Promise<{ readonly files: number }> {
  const what = `bundle "${bundle}"`;
  const statement = openEnvelope(new Fields(parseJson(bytes, { what, maxBytes: MAX_BUNDLE_BYTES }), what), {
    key: openKey(key, createPublicKey),
    what,
  });
  const { resources, ignored } = parseStatement(statement);
  const found = await hashFiles(model, [...IGNORED, ...insideOf(model, bundle), ...ignored]);
  compareFiles(resources, found);
  return { files: resources.length };
}

/** Verifies the signature. @returns the statement that it signs */
function openEnvelope(file: Fields, { key, what }: { key: KeyObject; what: string }): Fields {
  expectText(file, 'mediaType', MEDIA_TYPE);
  const material = file.fields('verificationMaterial');
  const publicKey = material.has('publicKey') ? material.fields('publicKey') : undefined;
  const hint = publicKey?.has('hint') ? publicKey.text('hint') : hintOf(key);
  const envelope = file.fields('dsseEnvelope');
  expectText(envelope, 'payloadType', PAYLOAD_TYPE);
  const payload = Buffer.from(envelope.text('payload'), 'base64');
  const signed = envelope.list('signatures', 1)[0];
  const signature = Buffer.from(new Fields(signed, what).text('sig'), 'base64');
  const isValid = hint === hintOf(key) && verify(hashOf(key), encodeForSigning(payload), key, signature);
  if (isValid) return new Fields(parseJson(payload, { what, maxBytes: MAX_BUNDLE_BYTES }), what);
  throw refuse('signature-invalid', `Cannot trust ${what}: expected a signature by the given key`);
}

function parseStatement(statement: Fields): { resources: SignedName[]; ignored: readonly string[] } {
  expectText(statement, '_type', STATEMENT_TYPE);
  expectText(statement, 'predicateType', PREDICATE_TYPE);
  const predicate = statement.fields('predicate');
  const method = predicate.fields('serialization');
  expectText(method, 'method', 'files');
  expectText(method, 'hash_type', 'sha256');
  const resources = predicate.list('resources', MAX_FILES).map((each) => {
    const fields = new Fields(each, 'resource of a bundle');
    return { name: fields.text('name'), digest: fields.text('digest', HEX_32) };
  });
  const names = { pattern: /^/, max: MAX_FILES };
  return { resources, ignored: method.has('ignore_paths') ? method.texts('ignore_paths', names) : [] };
}

function expectText(fields: Fields, name: string, expected: string): void {
  const found = fields.text(name);
  if (found === expected) return;
  const message = `Cannot read the bundle: expected ${name} ${expected}, got ${found}`;
  throw refuse('unsupported-version', message, { expected, found });
}

function compareFiles(signed: readonly SignedName[], found: readonly SignedName[]): void {
  const digests = new Map(found.map(({ name, digest }) => [name, digest]));
  const names = new Set(signed.map(({ name }) => name));
  const problems = [
    ...signed.filter(({ name }) => !digests.has(name)).map(({ name }) => `"${name}" is missing`),
    ...signed
      .filter(({ name, digest }) => (digests.get(name) ?? digest) !== digest)
      .map(({ name }) => `"${name}" was changed`),
    ...found.filter(({ name }) => !names.has(name)).map(({ name }) => `"${name}" is not signed`),
  ];
  if (problems.length === 0) return;
  const more = problems.length > 5 ? `, and ${problems.length - 5} more` : '';
  throw refuse(
    'metadata-mismatch',
    `Cannot trust the model: expected the signed files, but ${problems.slice(0, 5).join(', ')}${more}`,
  );
}

/** @returns the files of a model and their digests, in the order of the code points of their names */
async function hashFiles(model: string, ignored: readonly string[]): Promise<SignedName[]> {
  const paths = await listNames(model, '');
  const isIgnored = (name: string): boolean =>
    ignored.some((each) => name === each || name.startsWith(`${each}/`));
  const names = paths.filter((name) => name === '' || !isIgnored(name));
  if (names.length === 0) throw new NeuralDiffError('empty-model', `Cannot sign "${model}": it has no files`);
  const files: SignedName[] = [];
  for (const name of names)
    files.push({ name: name || basename(resolve(model)), digest: await sha256Of(join(model, name)) });
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** @returns the names of all files below a folder; an empty name for a model that is a file */
async function listNames(model: string, name: string): Promise<string[]> {
  const path = join(model, name);
  const info = await withFileErrors(`Cannot read "${path}"`, () => lstat(path));
  if (info.isFile()) return [name];
  if (!info.isDirectory() || name.includes('\uFFFD'))
    throw new NeuralDiffError(
      'unsafe-path',
      `Cannot sign "${path}": expected files and folders with names in UTF-8, and no links`,
    );
  const names: string[] = [];
  for (const each of await withFileErrors(`Cannot list "${path}"`, () => readdir(path)))
    names.push(...(await listNames(model, name === '' ? each : `${name}/${each}`)));
  return names;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await withFileErrors(`Cannot read "${path}"`, async () => {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  });
  return hash.digest('hex');
}

/** @returns a file's path in a folder, if it is in it */
function insideOf(folder: string, path: string): string[] {
  const inside = relative(resolve(folder), resolve(path));
  return inside === '' || inside.startsWith('..') ? [] : [inside.split(sep).join('/')];
}

/** @throws NeuralDiffError `key-invalid` */
function openKey(pem: Uint8Array, open: (pem: Buffer) => KeyObject): KeyObject {
  try {
    const key = open(Buffer.from(pem));
    if (hashOf(key) !== undefined) return key;
  } catch (cause) {
    throw invalidKey(cause);
  }
  throw invalidKey();
}

function invalidKey(cause?: unknown): NeuralDiffError {
  const message = 'Cannot read key: expected a key on P-256, P-384 or P-521 in PEM, without a password';
  return new NeuralDiffError('key-invalid', message, { cause });
}

const hashOf = ({ asymmetricKeyDetails }: KeyObject): string | undefined =>
  HASHES[asymmetricKeyDetails?.namedCurve ?? ''];

/** @returns what names a public key: the SHA-256 of its PEM */
const hintOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'pem' }))
    .digest('hex');

/** Source: Dead Simple Signing Envelope 1.0, "Pre-Authentication Encoding". */
const encodeForSigning = (payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
