import type { Signers } from './envelope.js';
import { Fields, type JsonObject } from './json.js';
import { HEX_32, parseKey, type ReleaseKey } from './keys.js';
import { corrupt, MAX_FILE_BYTES, MAX_KEYS, refuse } from './limits.js';

/** The top-level roles of TUF. */
export const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/** One of the top-level roles of TUF. */
export type Role = (typeof ROLES)[number];

/** The fields of all metadata. */
export interface Signed {
  /** From 1, incremented with each change. */
  readonly version: number;
  readonly expires: Date;
  /** IDs of the keys whose signatures were verified. */
  readonly signedBy?: readonly string[];
}

/** Root metadata: the signers of each role. */
export interface Root extends Signed {
  readonly roles: Readonly<Record<Role, Signers>>;
  /** Whether file names contain their version or hash. */
  readonly consistentSnapshot: boolean;
}

/** A metadata file as listed by another one. */
export interface MetaFile {
  readonly version: number;
  /** Bytes of the file, if listed. */
  readonly length?: number;
  /** SHA-256 in hexadecimal digits, if listed. */
  readonly sha256?: string;
}

/** Timestamp metadata: the newest snapshot. */
export interface Timestamp extends Signed {
  readonly snapshot: MetaFile;
}

/** Snapshot metadata: the consistent versions of the targets files, by name. */
export interface Snapshot extends Signed {
  readonly meta: ReadonlyMap<string, MetaFile>;
}

/** A file that the targets role signs. */
export interface TargetFile {
  /** Path below the repository's folder of targets. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 in hexadecimal digits. */
  readonly sha256: string;
  /** Custom data of the publisher; empty by default. */
  readonly custom: JsonObject;
}

/** Targets metadata: files by path. Delegations are not supported; files listed only there are not found. */
export interface Targets extends Signed {
  readonly targets: ReadonlyMap<string, TargetFile>;
}

/**
 * Parses the fields of all metadata.
 *
 * @throws NeuralDiffError `metadata-corrupt`, also for metadata of another role; `unsupported-version`
 */
function parseSigned(fields: Fields, role: string): Signed {
  const type = fields.text('_type');
  if (type !== role) throw fields.wrong('_type', `"${role}"`);
  const spec = fields.text('spec_version', /^\d{1,6}(\.\d{1,6}){1,2}$/);
  if (!spec.startsWith('1.'))
    throw refuse('unsupported-version', `Cannot read ${role} metadata: expected TUF 1, got ${spec}`);
  return { version: fields.whole('version', 1), expires: fields.date('expires') };
}

/**
 * Parses root metadata with verified signatures. @throws NeuralDiffError `metadata-corrupt`,
 * `unsupported-version`
 */
export function parseRoot(signed: JsonObject, what: string): Root {
  const fields = new Fields(signed, what);
  const common = parseSigned(fields, 'root');
  const keys = parseKeys(fields.fields('keys'), what);
  const roles = fields.fields('roles');
  const signers = (role: Role) => parseSigners(roles.fields(role), keys);
  return {
    ...common,
    consistentSnapshot: fields.has('consistent_snapshot') && fields.flag('consistent_snapshot'),
    roles: {
      root: signers('root'),
      timestamp: signers('timestamp'),
      snapshot: signers('snapshot'),
      targets: signers('targets'),
    },
  };
}

function parseKeys({ object }: Fields, what: string): Map<string, ReleaseKey> {
  const entries = Object.entries(object);
  if (entries.length > MAX_KEYS) throw corrupt(what, `expected at most ${MAX_KEYS} keys`);
  const keys = new Map<string, ReleaseKey>();
  for (const [keyid, value] of entries) {
    const key = parseKey(value, `${what}, key "${keyid}"`);
    if (key) keys.set(keyid, key);
  }
  return keys;
}

/** Parses a role's signers; keys of unsupported types are left out. */
function parseSigners(fields: Fields, keys: ReadonlyMap<string, ReleaseKey>): Signers {
  const ids = fields.texts('keyids', { pattern: /^/, max: MAX_KEYS });
  const roleKeys = ids.flatMap((id) => {
    const key = keys.get(id);
    return key ? [[id, key] as const] : [];
  });
  return { keys: new Map(roleKeys), threshold: fields.whole('threshold', 1) };
}

/**
 * Parses timestamp metadata with verified signatures. @throws NeuralDiffError `metadata-corrupt`,
 * `unsupported-version`
 */
export function parseTimestamp(signed: JsonObject, what: string): Timestamp {
  const fields = new Fields(signed, what);
  return {
    ...parseSigned(fields, 'timestamp'),
    snapshot: parseMeta(fields.fields('meta').fields('snapshot.json')),
  };
}

/**
 * Parses snapshot metadata with verified signatures. @throws NeuralDiffError `metadata-corrupt`,
 * `unsupported-version`
 */
export function parseSnapshot(signed: JsonObject, what: string): Snapshot {
  const fields = new Fields(signed, what);
  const meta = fields.fields('meta');
  const files = Object.keys(meta.object).map((name) => [name, parseMeta(meta.fields(name))] as const);
  return { ...parseSigned(fields, 'snapshot'), meta: new Map(files) };
}

function parseMeta(fields: Fields): MetaFile {
  const version = fields.whole('version', 1);
  const length = fields.has('length') ? { length: fields.whole('length', 0) } : {};
  const hashes = fields.has('hashes') ? { sha256: fields.fields('hashes').text('sha256', HEX_32) } : {};
  return { version, ...length, ...hashes };
}

/**
 * Parses targets metadata with verified signatures. @throws NeuralDiffError `metadata-corrupt`,
 * `unsupported-version`
 */
export function parseTargets(signed: JsonObject, what: string): Targets {
  const fields = new Fields(signed, what);
  const list = fields.fields('targets');
  const targets = Object.keys(list.object).map(
    (path) => [path, parseTarget(list.fields(path), path)] as const,
  );
  return { ...parseSigned(fields, 'targets'), targets: new Map(targets) };
}

function parseTarget(fields: Fields, path: string): TargetFile {
  const bytes = fields.whole('length', 0);
  if (bytes > MAX_FILE_BYTES) throw fields.wrong('length', `at most ${MAX_FILE_BYTES}`);
  const sha256 = fields.fields('hashes').text('sha256', HEX_32);
  return { path, bytes, sha256, custom: fields.has('custom') ? fields.fields('custom').object : {} };
}

/**
 * Storage of metadata between refreshes: a few small files.
 *
 * Names are `timestamp.json`, `snapshot.json`, `targets.json`, `2.root.json`, `3.root.json` and so on.
 * `write` must replace a file atomically. Stored metadata are verified again when they are read.
 */
export interface MetadataStore {
  /** @returns the file; undefined if missing */
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file; does nothing for a missing file. */
  remove(name: string): Promise<void>;
}

/**
 * Fetches a file of a repository's `metadata` folder.
 *
 * @param name file name, for example `timestamp.json` or `3.snapshot.json`
 * @param maxBytes limit after which reading can stop; longer files are refused
 * @returns the file; undefined only if the server has none; other failures throw
 */
export type FetchMetadata = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/** @returns a store in memory */
export function openMemoryMetadata(): MetadataStore {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (name) => files.get(name)?.slice(),
    write: async (name, bytes) => void files.set(name, bytes.slice()),
    remove: async (name) => void files.delete(name),
  };
}
