// Runs in a page and in a worker: the device side of signed releases.
import { checkPayload } from '../../src/release/check-payload.js';
import { verifyByNoble, verifyByWebCrypto } from '../../src/release/ed25519.js';
import { findReleases } from '../../src/release/find-releases.js';
import { openMemoryMetadata } from '../../src/release/metadata.js';
import { refreshTrust } from '../../src/release/refresh-trust.js';

/** What a device came to. */
export interface TrustOutcome {
  /** Files that it may use, or the code of its refusal. */
  readonly usable: readonly string[] | string;
}

const WAYS = { WebCrypto: verifyByWebCrypto, noble: verifyByNoble };

/**
 * Downloads a repository's metadata and its newest release, and verifies them.
 *
 * @param origin of the server that has `metadata` and `targets`
 * @param way what verifies signatures
 */
export async function trustReleases(origin: string, way: keyof typeof WAYS): Promise<TrustOutcome> {
  const download = async (path: string) => {
    const response = await fetch(`${origin}/${path}`);
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
  };
  try {
    const trust = await refreshTrust({
      root: (await download('metadata/1.root.json')) as Uint8Array,
      store: openMemoryMetadata(),
      fetchMetadata: (name) => download(`metadata/${name}`),
      now: () => new Date('2026-11-22T00:00:00Z'),
      ed25519: WAYS[way],
    });
    const { usable } = findReleases(trust, { counter: 1 });
    for (const { statement, path } of usable)
      await checkPayload((await download(`targets/${path}`)) as Uint8Array, statement);
    return { usable: usable.map(({ statement }) => statement.name) };
  } catch (error) {
    return { usable: (error as { code: string }).code };
  }
}
