import { parse } from 'csv-parse/sync';
import { planRoute, type RouteEdge } from '../chain/plan-route.js';
import { NeuralDiffError } from '../model/errors.js';
import type { Fleet, FleetVersion, Precompute } from './document.js';

/** The devices with one version of the model. */
export interface InstalledVersion {
  /** Fingerprint, as a hexadecimal string, or a name that the caller translates into one. */
  readonly version: string;
  readonly devices: number;
}

/** Most payloads listed as worth making. */
const MAX_PRECOMPUTE = 10;

/**
 * Parses the versions of a fleet.
 *
 * @param text comma-separated values with the columns `version` and `devices`
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document`
 */
export function parseFleet(text: string, name: string): InstalledVersion[] {
  const rows = parseRows(text, name);
  if (rows.length === 0) throw badFleet(name, 'expected at least one version, got none');
  const versions = rows.map(({ version, devices }, i) => {
    const place = `row ${i + 1}`;
    if (version === undefined || version === '')
      throw badFleet(name, `${place}: expected a column "version"`);
    const count = devices === undefined || devices === '' ? Number.NaN : Number(devices);
    if (!Number.isSafeInteger(count) || count < 0)
      throw badFleet(name, `${place}: expected a number of devices, got "${devices ?? ''}"`);
    return { version, devices: count };
  });
  const twice = versions.find(({ version }, i) => versions.findIndex((each) => each.version === version) < i);
  if (twice) throw badFleet(name, `expected each version once, got "${twice.version}" twice`);
  return versions;
}

function parseRows(text: string, name: string): Record<string, string | undefined>[] {
  try {
    return parse(text, { columns: true, trim: true, bom: true, skip_empty_lines: true, comment: '#' });
  } catch (cause) {
    throw badFleet(name, (cause as Error).message, cause);
  }
}

function badFleet(name: string, why: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('bad-document', `Cannot read fleet "${name}": ${why}`, { cause });
}

/** The input of `planFleet`. */
export interface FleetOptions {
  /** Versions by fingerprint. */
  readonly versions: readonly InstalledVersion[];
  /** The available payloads. */
  readonly edges: readonly RouteEdge[];
  /** Fingerprint of the target model. */
  readonly next: string;
  /** Size of the full model as a download. */
  readonly fullBytes: number;
  /** Bytes of the repository's metadata, which a device fetches for an update. */
  readonly metadataBytes?: number | undefined;
}

/** Computes the downloads of a fleet, and which direct payloads would save the most. */
export function planFleet({ versions, edges, next, fullBytes, metadataBytes }: FleetOptions): Fleet {
  // Composed payloads do not exist yet, so they cannot be downloaded.
  const plain = edges.map(({ opBytes: _opBytes, ...edge }) => edge);
  const planned = versions.map((version) => planVersion(version, { edges: plain, next, fullBytes }));
  const sum = (of: (each: FleetVersion) => number): number =>
    planned.reduce((total, each) => total + of(each), 0);
  const updated = sum(({ devices, best }) => (best === 'none' ? 0 : devices));
  const metadata = updated * (metadataBytes ?? 0);
  return {
    next,
    versions: planned,
    devices: sum(({ devices }) => devices),
    bytes: sum(({ bytes }) => bytes) + metadata,
    fullBytes: updated * fullBytes + metadata,
    ...(metadataBytes !== undefined && { metadataBytes }),
    precompute: precomputeOf(
      planned,
      plain.filter((edge) => edge.next === next),
    ),
  };
}

function planVersion(
  { version, devices }: InstalledVersion,
  { edges, next, fullBytes }: Omit<FleetOptions, 'versions'>,
): FleetVersion {
  const { best, routes } = planRoute(edges, { from: version, to: next, fullBytes });
  const of = (kind: string) => routes.find((route) => route.kind === kind);
  const [direct, chain] = [of('direct'), of('chain')];
  const { kind = 'full', bytes = fullBytes } = best ?? {};
  return {
    version,
    devices,
    ...(direct && { direct: direct.bytes }),
    ...(chain && { chain: chain.bytes, chainSteps: chain.steps }),
    full: fullBytes,
    best: kind as FleetVersion['best'],
    bytes: devices * bytes,
  };
}

/** Estimates a missing direct payload by the largest existing one. */
function precomputeOf(versions: readonly FleetVersion[], direct: readonly RouteEdge[]): Precompute[] {
  if (direct.length === 0) return [];
  const expectedBytes = Math.max(...direct.map(({ bytes }) => bytes));
  return versions
    .filter((each) => each.direct === undefined && each.best !== 'none')
    .map(({ version, devices, bytes }) => ({
      version,
      devices,
      expectedBytes,
      savedBytes: bytes - devices * expectedBytes,
    }))
    .filter(({ savedBytes }) => savedBytes > 0)
    .sort((a, b) => b.savedBytes - a.savedBytes)
    .slice(0, MAX_PRECOMPUTE);
}
