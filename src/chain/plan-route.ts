import { openPayload } from '../payload/open-payload.js';

/** A payload as an edge from one model to another. */
export interface RouteEdge {
  /** Its file name, or any other unique name. */
  readonly name: string;
  /** Fingerprints, as hexadecimal strings. */
  readonly base: string;
  readonly next: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Bytes that its ops would add to a composed payload; if missing, no composed route uses this edge. */
  readonly opBytes?: number;
}

/** A route from one model to another. */
export interface Route {
  /**
   * `none`: the device has the model; `direct`: one payload; `composed`: one payload yet to be composed of
   * several; `chain`: payloads applied one after the other; `full`: the whole model.
   */
  readonly kind: 'none' | 'direct' | 'composed' | 'chain' | 'full';
  /** The payloads, in order. */
  readonly edges: readonly RouteEdge[];
  /** Bytes to download; an estimate for `composed`. */
  readonly bytes: number;
  /** Number of downloads applied one after the other. */
  readonly steps: number;
}

/**
 * Payloads in the longest route, applied one after the other or composed into one. Each is a download, and
 * reads the whole model; a device that is further behind takes the whole model, or an older release first.
 */
export const MAX_CHAIN_STEPS = 64;

/** The ends of a route. */
type RouteEnds = Parameters<typeof planRoute>[1];

/** The routes that were considered. */
export interface RoutePlan {
  /**
   * The route with the fewest bytes, then the fewest steps, then the first in the list; undefined if there is
   * no route.
   */
  readonly best: Route | undefined;
  /** The cheapest route of each kind. */
  readonly routes: readonly Route[];
}

/**
 * Finds the route from one model to another with the fewest bytes to download.
 *
 * Source: R. Bellman, "On a routing problem", 1958, with at most `MAX_CHAIN_STEPS` edges.
 *
 * @param edges payloads in any order; reverse updates may form cycles
 * @param ends fingerprints of the model on the device and of the target; size of the whole model, as an
 *   alternative to payloads
 * @returns the routes; independent of the order of edges, provided their names are unique
 * @throws RangeError for sizes that are not whole numbers of at least 0
 *
 * @example
 * const edges = [
 *   { name: 'v2.ndiff', base: 'a1', next: 'b2', bytes: 2988 },
 *   { name: 'v3.ndiff', base: 'b2', next: 'c3', bytes: 3010 },
 * ];
 * const { best } = planRoute(edges, { from: 'a1', to: 'c3', fullBytes: 600_332 });
 * console.log(best?.kind, best?.bytes); // chain 5998
 */
export function planRoute(
  edges: readonly RouteEdge[],
  ends: { readonly from: string; readonly to: string; readonly fullBytes?: number | undefined },
): RoutePlan {
  const { from, to, fullBytes } = ends;
  for (const { bytes, opBytes = 0 } of edges) [bytes, opBytes].forEach(checkBytes);
  checkBytes(fullBytes ?? 0);
  if (from === to) {
    const none: Route = { kind: 'none', edges: [], bytes: 0, steps: 0 };
    return { best: none, routes: [none] };
  }
  const ordered = [...edges].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const full: Route[] =
    fullBytes === undefined ? [] : [{ kind: 'full', edges: [], bytes: fullBytes, steps: 1 }];
  const routes = [
    ...directRoute(ordered, ends),
    ...composedRoute(ordered, ends),
    ...chainRoute(ordered, ends),
    ...full,
  ];
  return { best: cheapest(routes), routes };
}

function checkBytes(bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return;
  throw new RangeError(`Cannot plan with ${bytes} bytes: expected a whole number of at least 0`);
}

function cheapest(routes: readonly Route[]): Route | undefined {
  const isBetter = (a: Route, b: Route): boolean =>
    a.bytes < b.bytes || (a.bytes === b.bytes && a.steps < b.steps);
  return routes.reduce<Route | undefined>(
    (best, route) => (best && !isBetter(route, best) ? best : route),
    undefined,
  );
}

function directRoute(edges: readonly RouteEdge[], { from, to }: RouteEnds): Route[] {
  const best = cheapest(
    edges
      .filter((edge) => edge.base === from && edge.next === to)
      .map((edge) => ({ kind: 'direct', edges: [edge], bytes: edge.bytes, steps: 1 })),
  );
  return best ? [best] : [];
}

/** Leaves out direct edges, so that every path has at least two steps. */
function detours(edges: readonly RouteEdge[], { from, to }: RouteEnds): RouteEdge[] {
  return edges.filter((edge) => edge.base !== from || edge.next !== to);
}

function chainRoute(edges: readonly RouteEdge[], ends: RouteEnds): Route[] {
  const path = findPath(detours(edges, ends), ends, (edge) => edge.bytes);
  return path ? [{ kind: 'chain', edges: path.edges, bytes: path.cost, steps: path.edges.length }] : [];
}

/** A composed payload contains the ops of all its parts and the remaining bytes of the last one. */
function composedRoute(edges: readonly RouteEdge[], ends: RouteEnds): Route[] {
  const usable = detours(edges, ends).filter(({ opBytes }) => opBytes !== undefined);
  const path = findPath(usable, ends, ({ next, bytes, opBytes = 0 }) => (next === ends.to ? bytes : opBytes));
  return path ? [{ kind: 'composed', edges: path.edges, bytes: path.cost, steps: 1 }] : [];
}

/** Bytes of a record in addition to its content: kind and length. */
const RECORD_HEAD_BYTES = 4;

/**
 * Reads the edge of a payload, decoding only its header.
 *
 * @param name a unique name
 * @param bytes the payload file
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 */
export async function routeEdge(name: string, bytes: Uint8Array): Promise<RouteEdge> {
  const { header, records, files } = await openPayload(bytes);
  const edge = { name, base: header.base, next: header.next, bytes: bytes.length };
  // What makes new files cannot be composed.
  if (files) return edge;
  const opBytes = records.reduce((sum, record) => sum + RECORD_HEAD_BYTES + record.bytes.length, 0);
  return { ...edge, opBytes };
}

/** The cheapest path to a model found so far. */
interface Reached {
  readonly cost: number;
  readonly steps: number;
  readonly last: RouteEdge;
  /** The path without its last edge; undefined at the start. */
  readonly before: Reached | undefined;
}

/**
 * Computes how many bytes each model takes to download as consecutive payloads.
 *
 * @param edges payloads in any order
 * @param from fingerprint of the model on the device
 * @returns bytes by fingerprint, for models within `MAX_CHAIN_STEPS` payloads
 */
export function reachableModels(edges: readonly RouteEdge[], from: string): ReadonlyMap<string, number> {
  const paths = findPaths(edges, from, ({ bytes }) => bytes);
  return new Map(Array.from(paths, ([model, { cost }]) => [model, cost]));
}

function findPath(
  edges: readonly RouteEdge[],
  { from, to }: RouteEnds,
  costOf: (edge: RouteEdge) => number,
): { edges: RouteEdge[]; cost: number } | undefined {
  const found = findPaths(edges, from, costOf).get(to);
  if (found === undefined) return undefined;
  const path: RouteEdge[] = [];
  for (let at: Reached | undefined = found; at; at = at.before) path.unshift(at.last);
  return { edges: path, cost: found.cost };
}

/**
 * Finds the cheapest path of at most `MAX_CHAIN_STEPS` edges to every model; among equals the one with the
 * fewest edges, then the one whose edges come first.
 *
 * Round k extends the paths of k - 1 edges that the round before found or improved, so the time is bounded by
 * `MAX_CHAIN_STEPS` times the number of edges, also for dense graphs.
 *
 * @param edges may form cycles
 * @param costOf at least 0
 * @returns paths by their last model, without `from`
 */
function findPaths(
  edges: readonly RouteEdge[],
  from: string,
  costOf: (edge: RouteEdge) => number,
): Map<string, Reached> {
  const leaving = new Map<string, RouteEdge[]>();
  for (const edge of edges) {
    const others = leaving.get(edge.base);
    if (others) others.push(edge);
    else leaving.set(edge.base, [edge]);
  }
  const reached = new Map<string, Reached>();
  let latest = new Map<string, Reached | undefined>([[from, undefined]]);
  for (let steps = 1; steps <= MAX_CHAIN_STEPS && latest.size > 0; steps++) {
    const found = new Map<string, Reached>();
    for (const [model, before] of latest)
      for (const last of leaving.get(model) ?? []) {
        if (last.next === from) continue;
        const cost = (before?.cost ?? 0) + costOf(last);
        const known = found.get(last.next) ?? reached.get(last.next);
        if (known === undefined || cost < known.cost) found.set(last.next, { cost, steps, last, before });
      }
    for (const [model, path] of found) reached.set(model, path);
    latest = found;
  }
  return reached;
}
