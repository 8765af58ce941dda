import { createHash } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../../../src/release/json.js';
import { ROLES, type Role } from '../../../src/release/metadata.js';
import { newSigner, type Signer } from './signers.js';

/** A listed file; hashes and length only where a test wants them. */
export interface Listed {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}

/** Targets metadata of the top-level role or of a delegated one. */
interface Targets {
  version: number;
  expires: string;
  readonly targets: Record<string, { length: number; hashes: Record<string, string> }>;
  delegations?: { keys: Record<string, JsonObject>; roles: Record<string, unknown>[] };
}

/** Who signs for a role. */
interface RoleKeys {
  keyids: string[];
  threshold: number;
  [more: string]: unknown;
}

const DAY = 86_400_000;

/** @returns a moment as metadata carry it, some days from now */
export function inDays(days: number): string {
  return `${new Date(Date.now() + days * DAY).toISOString().slice(0, 19)}Z`;
}

export function hashOf(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

/** A TUF repository whose metadata a test changes and then publishes: that of the conformance suite. */
export class Simulator {
  readonly root = {
    ...header('root'),
    consistent_snapshot: true,
    keys: {} as Record<string, JsonObject>,
    roles: Object.fromEntries(ROLES.map((role) => [role, { keyids: [], threshold: 1 }])) as unknown as Record<
      Role,
      RoleKeys
    >,
  };
  readonly timestamp = { ...header('timestamp'), meta: { 'snapshot.json': { version: 1 } as Listed } };
  readonly snapshot = { ...header('snapshot'), meta: {} as Record<string, Listed> };
  readonly targets: Targets = { ...header('targets'), targets: {} };
  /** Metadata of delegated roles, by role. */
  readonly delegated = new Map<string, Targets>();
  readonly signers = new Map<string, Signer[]>();
  /** Files as they are served: the last one of a role has the newest version. */
  readonly published = new Map<string, Uint8Array[]>();
  readonly artifacts = new Map<string, Uint8Array>();
  /** Whether published files are listed with length and hash. */
  listsHashes = false;
  /** Requests for metadata: `root 2`, `timestamp`; role names as they are in the URL. */
  readonly requests: string[] = [];
  /** Requests for targets, with the hash before the name. */
  readonly downloads: string[] = [];

  constructor() {
    for (const role of ROLES) this.addKey(role);
    this.publish('targets', 'snapshot', 'timestamp', 'root');
  }

  /** Adds a key to a role of the root, and signs with it from now on. */
  addKey(role: Role, signer = newSigner()): Signer {
    this.root.keys[signer.keyid] = signer.key;
    this.root.roles[role].keyids.push(signer.keyid);
    this.signers.set(role, [...(this.signers.get(role) ?? []), signer]);
    return signer;
  }

  /** Replaces the keys of a role by as many as must sign. */
  rotateKeys(role: Role): void {
    this.root.roles[role].keyids.length = 0;
    this.signers.set(role, []);
    for (let i = 0; i < this.root.roles[role].threshold; i++) this.addKey(role);
  }

  /** Lets a role of targets delegate some paths to another one, which gets a key. */
  delegate(from: string, to: string, more: JsonObject = {}): Targets {
    const delegator = this.#targetsOf(from);
    const signer = newSigner();
    delegator.delegations ??= { keys: {}, roles: [] };
    delegator.delegations.keys[signer.keyid] = signer.key;
    const role = {
      name: to,
      keyids: [signer.keyid],
      threshold: 1,
      terminating: false,
      paths: ['*'],
      ...more,
    };
    delegator.delegations.roles.push(role);
    this.signers.set(to, [...(this.signers.get(to) ?? []), signer]);
    if (!this.delegated.has(to)) this.delegated.set(to, { ...header('targets'), targets: {} });
    return this.#targetsOf(to);
  }

  /** Serves a file and lists it in targets metadata. */
  addArtifact(role: string, path: string, content: string, algorithms = ['sha256']): Uint8Array {
    const bytes = new TextEncoder().encode(content);
    const hashes = Object.fromEntries(algorithms.map((name) => [name, hashOf(name, bytes)]));
    this.#targetsOf(role).targets[path] = { length: bytes.length, hashes };
    this.artifacts.set(path, bytes);
    return bytes;
  }

  /**
   * Signs and serves the next version of roles, and lists it: targets in the snapshot, the snapshot in the
   * timestamp. A role without served versions keeps the version that it has.
   */
  publish(...roles: string[]): void {
    for (const role of roles) {
      const signed = this.#signedOf(role);
      const files = this.published.get(role) ?? [];
      if (files.length > 0) signed.version++;
      const message = canonicalJson(signed as unknown as JsonObject);
      const signatures = (this.signers.get(role) ?? []).map(({ keyid, sign }) => ({
        keyid,
        sig: sign(message),
      }));
      this.serve(role, { signatures, signed: signed as unknown as JsonObject });
    }
  }

  /** Serves a file as the next version of a role, and lists it. */
  serve(role: string, file: JsonObject): void {
    const bytes = new TextEncoder().encode(JSON.stringify(file, null, 1));
    this.published.set(role, [...(this.published.get(role) ?? []), bytes]);
    const hashes = this.listsHashes && { length: bytes.length, hashes: { sha256: hashOf('sha256', bytes) } };
    const listed = { version: this.#signedOf(role).version, ...hashes };
    if (role === 'snapshot') this.timestamp.meta['snapshot.json'] = listed;
    else if (role !== 'root' && role !== 'timestamp') this.snapshot.meta[`${role}.json`] = listed;
  }

  /** @returns the newest file of a role */
  newest(role: string): Uint8Array {
    return this.published.get(role)?.at(-1) as Uint8Array;
  }

  /** Takes the newest file of a role back and serves a changed one. */
  alter(role: string, change: (file: { signatures: { keyid: string; sig: string }[] }) => void): void {
    const file = JSON.parse(new TextDecoder().decode(this.published.get(role)?.pop()));
    change(file);
    this.serve(role, file);
  }

  /** @returns a served file, undefined for 404 */
  fetch(path: string): Uint8Array | undefined {
    if (path.startsWith('targets/'))
      return this.#fetchTarget(decodeURIComponent(path.slice('targets/'.length)));
    const [, version, role = ''] = /^metadata\/(?:(\d+)\.)?([^/]*)\.json$/.exec(path) ?? [];
    this.requests.push(version === undefined ? role : `${role} ${version}`);
    const files = this.published.get(decodeURIComponent(role)) ?? [];
    return version === undefined ? files.at(-1) : files[Number(version) - 1];
  }

  #fetchTarget(path: string): Uint8Array | undefined {
    this.downloads.push(path);
    const [, folder = '', prefix, name = ''] = /^(.*\/)?([0-9a-f]+)\.([^/]*)$/.exec(path) ?? [];
    const hashes = Object.values(this.targets.targets[folder + name]?.hashes ?? {});
    return hashes.includes(prefix ?? '') ? this.artifacts.get(folder + name) : undefined;
  }

  #targetsOf(role: string): Targets {
    return role === 'targets' ? this.targets : (this.delegated.get(role) as Targets);
  }

  #signedOf(role: string): { version: number } {
    const { root, timestamp, snapshot } = this;
    return { root, timestamp, snapshot }[role] ?? this.#targetsOf(role);
  }
}

function header(role: Role) {
  return { _type: role, spec_version: '1.0.31', version: 1, expires: inDays(30) };
}
