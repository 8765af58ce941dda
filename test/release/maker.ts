import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'vitest';
import { type ErrorCode, NeuralDiffError } from '../../src/model/errors.js';
import { canonicalJson, type Json, type JsonObject } from '../../src/release/json.js';
import { type ReleaseKey, releaseKey } from '../../src/release/keys.js';
import { type MetadataStore, openMemoryMetadata, ROLES, type Role } from '../../src/release/metadata.js';
import { refreshTrust, type TrustOptions } from '../../src/release/refresh-trust.js';
import { encodeStatement, type ReleaseStatement } from '../../src/release/statement.js';

/** A key whose private half is known: the seed repeated. */
export interface TestKey {
  readonly key: ReleaseKey;
  readonly keyid: string;
  sign(message: Uint8Array): Uint8Array;
}

/** PKCS #8 of an Ed25519 key is this and its 32 bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @returns an Ed25519 key of Node's own crypto, not of the code under test */
export function testKey(seed: number): TestKey {
  const der = Buffer.concat([PKCS8_HEAD, Buffer.alloc(32, seed)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const key = releaseKey(new Uint8Array(spki.subarray(-32)));
  const keyid = sha256Hex(canonicalJson(key as unknown as Json));
  return { key, keyid, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

/** @returns an ECDSA key; `alias` is the same one, whose text has one more line break */
export function ecdsaKey(): TestKey & { alias: TestKey } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
  const make = (text: string): TestKey => {
    const key = { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: text } } as const;
    const keyid = createHash('sha256')
      .update(canonicalJson(key as Json))
      .digest('hex');
    return { key, keyid, sign: (message) => new Uint8Array(sign('sha256', message, privateKey)) };
  };
  return { ...make(pem), alias: make(pem.replace(/\n.{10}/, '$&\n')) };
}

/** @returns a signed file in TUF's form: canonical JSON, with the escapes of line feeds that it lacks */
export function envelope(signed: JsonObject, keys: readonly TestKey[]): Uint8Array {
  const message = canonicalJson(signed);
  const signatures = keys.map((key) => ({
    keyid: key.keyid,
    sig: Buffer.from(key.sign(message)).toString('hex'),
  }));
  const text = new TextDecoder().decode(canonicalJson({ signatures, signed }));
  return new TextEncoder().encode(text.replaceAll('\n', '\\n'));
}

/** Days from now that metadata hold. */
export interface Days {
  readonly [role: string]: number;
}

/** A clock that stands still until it is moved. */
export class Clock {
  time = Date.UTC(2026, 10, 21);
  readonly now = (): Date => new Date(this.time);
  /** @returns a moment as metadata carry it */
  after(days: number): string {
    return `${new Date(this.time + days * 86_400_000).toISOString().slice(0, 19)}Z`;
  }
  pass(days: number): void {
    this.time += days * 86_400_000;
  }
}

/** Who signs for a role, and how many of them must. */
export interface TestRole {
  readonly keys: readonly TestKey[];
  readonly threshold: number;
}

/** A repository whose every field a test may bend. */
export class TestRepository {
  readonly files = new Map<string, Uint8Array>();
  readonly fetched: string[] = [];
  readonly versions = { root: 0, timestamp: 0, snapshot: 0, targets: 0 };
  days: Record<Role, number> = { root: 365, timestamp: 14, snapshot: 30, targets: 90 };
  roles: Record<Role, TestRole>;
  readonly clock: Clock;

  constructor(clock = new Clock()) {
    this.clock = clock;
    this.roles = Object.fromEntries(
      ROLES.map((role, i) => [role, { keys: [testKey(10 * i + 1), testKey(10 * i + 2)], threshold: 1 }]),
    ) as unknown as Record<Role, TestRole>;
    this.roles.root = { keys: [testKey(1), testKey(2), testKey(3)], threshold: 2 };
    this.addRoot();
    this.publish({});
  }

  /** Adds a root version, signed by the keys that it names and by others. */
  addRoot({
    by = [] as readonly TestKey[],
    version = this.versions.root + 1,
    more = {} as JsonObject,
  } = {}): void {
    const keys = Object.values(this.roles).flatMap((role) =>
      role.keys.map(({ keyid, key }) => [keyid, { ...key }]),
    );
    const roles = Object.entries(this.roles).map(([role, { keys: own, threshold }]) => [
      role,
      { keyids: own.map(({ keyid }) => keyid), threshold },
    ]);
    const signed = {
      ...this.common('root', version),
      consistent_snapshot: true,
      keys: Object.fromEntries(keys),
      roles: Object.fromEntries(roles),
      ...more,
    };
    this.files.set(`${version}.root.json`, envelope(signed, [...this.roles.root.keys, ...by]));
    this.versions.root = version;
  }

  common(role: Role, version: number) {
    return { _type: role, spec_version: '1.0.31', version, expires: this.clock.after(this.days[role]) };
  }

  /** Makes new versions of targets, snapshot and timestamp. */
  publish(targets: JsonObject): void {
    const list = this.put('targets', { targets });
    const snapshot = this.put('snapshot', { meta: { 'targets.json': list } });
    this.put('timestamp', { meta: { 'snapshot.json': snapshot } });
  }

  /** Adds a role's next version. @returns what lists it */
  put(
    role: 'targets' | 'snapshot' | 'timestamp',
    fields: JsonObject,
    by = this.roles[role].keys,
  ): JsonObject {
    const version = ++this.versions[role];
    const bytes = envelope({ ...this.common(role, version), ...fields }, by);
    this.files.set(role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`, bytes);
    return { version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } };
  }

  /** @returns a copy that goes its own way from here */
  fork(): TestRepository {
    const other = new TestRepository(this.clock);
    other.files.clear();
    for (const [name, bytes] of this.files) other.files.set(name, bytes);
    Object.assign(other.versions, this.versions);
    other.roles = { ...this.roles };
    other.days = { ...this.days };
    return other;
  }

  readonly fetchMetadata = async (name: string): Promise<Uint8Array | undefined> => {
    this.fetched.push(name);
    return this.files.get(name)?.slice();
  };
}

/** A device: its store, and the root that its program carries. */
export class TestDevice {
  readonly store: MetadataStore = openMemoryMetadata();
  readonly root: Uint8Array;
  readonly clock: Clock;

  constructor(repository: TestRepository) {
    this.root = repository.files.get('1.root.json') as Uint8Array;
    this.clock = repository.clock;
  }

  refresh(repository: Pick<TrustOptions, 'fetchMetadata'>, options: Partial<TrustOptions> = {}) {
    const { store, root, clock } = this;
    return refreshTrust({ root, store, fetchMetadata: repository.fetchMetadata, now: clock.now, ...options });
  }
}

/** A statement that a device would use. */
export function sampleStatement(changes: Partial<ReleaseStatement> = {}): ReleaseStatement {
  return {
    kind: 'update',
    name: 'v2.ndiff',
    bytes: 5,
    sha256: sha256Hex(new TextEncoder().encode('hello')),
    base: '0'.repeat(32),
    next: '1'.repeat(32),
    formatVersion: 1,
    modelBytes: 600_332,
    counter: 2,
    expires: new Date('2027-05-01T00:00:00Z'),
    metrics: { accuracy: 0.963, maxNegativeFlips: 0.002 },
    ...changes,
  };
}

/** @returns targets metadata's entry of a release */
export function targetOf(statement: ReleaseStatement): JsonObject {
  const { name, bytes, sha256 } = statement;
  const custom = { 'neural-diff': encodeStatement(statement) };
  return { [name]: { length: bytes, hashes: { sha256 }, custom } };
}

/** Expects a typed refusal. */
export async function expectCode(
  work: Promise<unknown> | (() => unknown),
  code: ErrorCode,
): Promise<NeuralDiffError> {
  const error = await Promise.resolve()
    .then(() => (typeof work === 'function' ? work() : work))
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(NeuralDiffError);
  expect((error as NeuralDiffError).code).toBe(code);
  return error as NeuralDiffError;
}
