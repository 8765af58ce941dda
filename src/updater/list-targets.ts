import { pathOfTarget } from '../release/find-releases.js';
import type { MetadataStore } from '../release/metadata.js';
import { refreshTrust, type Trust } from '../release/refresh-trust.js';
import { setDeadline } from './deadline.js';
import type { UpdaterOptions } from './updater.js';

/** Default timeout in milliseconds for all metadata of a check, enough for a slow connection. */
const METADATA_MS = 300_000;

/** Options of `listTargets`; those that updaters have mean the same. */
export interface ListTargetsOptions
  extends Pick<UpdaterOptions, 'source' | 'root' | 'now' | 'ed25519' | 'metadataMs'> {
  /** Keeps verified metadata between calls. */
  readonly store: MetadataStore;
  readonly signal?: AbortSignal | undefined;
}

/** A file that a repository's targets metadata list. */
export interface ListedTarget {
  /** Path below the repository's `targets` folder; with consistent snapshots its name starts with its hash. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 in 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Fetches and verifies the newest metadata of a TUF repository, and lists its files: releases and any others.
 *
 * The client workflow of TUF 1.0, sections 5.1 to 5.6, without delegations. Compare what you download with
 * `checkPayload`.
 *
 * @returns files by name; empty for a repository without files
 * @throws NeuralDiffError `signature-invalid`, `metadata-expired`, `metadata-rollback`, `metadata-mismatch`,
 *   `metadata-missing`, `metadata-corrupt`, `limit-exceeded`, `unsupported-version`, `network`; any error of
 *   the store
 */
export async function listTargets(options: ListTargetsOptions): Promise<ReadonlyMap<string, ListedTarget>> {
  const trust = await refreshFromSource(options);
  const entries = [...trust.targets.targets].map(([name, target]) => {
    const { bytes, sha256 } = target;
    return [name, { path: pathOfTarget(trust, target), bytes, sha256 }] as const;
  });
  return new Map(entries);
}

/** Calls `refreshTrust` with a source's metadata, within a time limit. */
export async function refreshFromSource(options: ListTargetsOptions): Promise<Trust> {
  const { source, root, store, signal, now = () => new Date() } = options;
  const { ed25519, metadataMs = METADATA_MS } = options;
  const deadline = setDeadline({ milliseconds: metadataMs, action: 'fetch metadata', signal });
  try {
    return await refreshTrust({
      root,
      now,
      store,
      fetchMetadata: (name, maxBytes) =>
        deadline.within((stop) => source.fetch(`metadata/${name}`, { maxBytes, signal: stop })),
      ...(ed25519 && { ed25519 }),
    });
  } finally {
    deadline.end();
  }
}
