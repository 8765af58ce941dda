import { pathOfTarget } from '../release/find-releases.js';
import type { FetchMetadata, MetadataStore } from '../release/metadata.js';
import { refreshTrust, type Trust } from '../release/refresh-trust.js';
import { setDeadline } from './deadline.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Default timeout in milliseconds for all metadata of a check, enough for a slow connection. */
const METADATA_MS = 300_000;

/**
 * Fetches and verifies the newest metadata of a TUF repository, and lists its files: releases and any others.
 *
 * The client workflow of TUF 1.0, sections 5.1 to 5.6, without delegations. Callers compare downloads with
 * the listed length and hash. Releases that only the index of older releases lists are not among them.
 *
 * @param options as those of an updater; `store` keeps verified metadata between calls
 * @returns files by name: path below the repository's `targets` folder, length, and SHA-256 in 64 hexadecimal
 *   digits
 * @throws NeuralDiffError `signature-invalid`, `metadata-expired`, `metadata-rollback`, `metadata-mismatch`,
 *   `metadata-missing`, `metadata-corrupt`, `limit-exceeded`, `unsupported-version`, `network`; any error of
 *   the store; the signal's reason
 */
export async function listTargets(
  options: Pick<UpdaterOptions, 'source' | 'root' | 'now' | 'ed25519' | 'metadataMs'> & {
    readonly store: MetadataStore;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ReadonlyMap<string, { readonly path: string; readonly bytes: number; readonly sha256: string }>> {
  const trust = await refreshFromSource(options);
  const entries = [...trust.targets.targets].map(([name, target]) => {
    const { bytes, sha256 } = target;
    return [name, { path: pathOfTarget(trust, target), bytes, sha256 }] as const;
  });
  return new Map(entries);
}

/** Calls `refreshTrust` with a source's metadata, within a time limit. */
export function refreshFromSource(options: Parameters<typeof listTargets>[0]): Promise<Trust> {
  const { root, store, now = () => new Date(), ed25519 } = options;
  return withSource(options, (fetch) => {
    const fetchMetadata: FetchMetadata = (name, maxBytes) => fetch(`metadata/${name}`, maxBytes);
    return refreshTrust({ root, now, store, fetchMetadata, ...(ed25519 && { ed25519 }) });
  });
}

/** Lets a function fetch files of a repository by their paths, within the time limit of metadata. */
export async function withSource<T>(
  { source, signal, metadataMs = METADATA_MS }: Pick<UpdaterOptions, 'source' | 'metadataMs'> & CallOptions,
  run: (fetch: FetchMetadata) => Promise<T>,
): Promise<T> {
  const deadline = setDeadline({ milliseconds: metadataMs, action: 'fetch metadata', signal });
  try {
    return await run((path, maxBytes) =>
      deadline.within((stop) => source.fetch(path, { maxBytes, signal: stop })),
    );
  } finally {
    deadline.end();
  }
}
