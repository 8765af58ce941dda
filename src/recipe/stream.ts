/** Most threads that a recipe's streams are simulated on. */
const MAX_THREADS = 8;

/** Most branches: routes have a byte for each frame. */
const MAX_BRANCHES = 256;

type Unknown = Readonly<Record<string, unknown>>;

/** @returns what is expected of a recipe's export `stream`, if it is not so */
export function streamProblem(stream: unknown): string | undefined {
  const { frameSeconds, threads, branches, run } = isMap(stream) ? stream : ({} as Unknown);
  if (typeof run !== 'function') return 'an object with a function "run"';
  if (!isPositive(frameSeconds)) return 'an object with a positive number of seconds as "frameSeconds"';
  const isCount = Array.isArray(threads) && threads.length > 0 && threads.length <= MAX_THREADS;
  if (!isCount || !threads.every(isPositive))
    return `an object with a list of 1 to ${MAX_THREADS} speeds in FLOP/s as "threads"`;
  const names = isMap(branches) ? Object.keys(branches) : [];
  if (
    names.length === 0 ||
    names.length > MAX_BRANCHES ||
    !Object.values(branches as Unknown).every(isPositive)
  )
    return `an object with the FLOPs of 1 to ${MAX_BRANCHES} branches by name as "branches"`;
  // JavaScript moves such names to the front, and routes tell branches by their place.
  const number = names.find((name) => /^\d+$/.test(name));
  return number === undefined
    ? undefined
    : `an object with names of branches that are not numbers, got "${number}"`;
}

/** @returns what is expected of the result of a recipe's `stream.run`, if it is not so */
export function routesProblem(found: unknown, branches: readonly string[]): string | undefined {
  const { routes, metrics } = isMap(found) ? found : ({} as Unknown);
  if (!Array.isArray(routes) || !routes.every((route) => route instanceof Uint8Array))
    return 'an object with a list as "routes", a Uint8Array for each stream';
  if (routes.every((route) => route.length === 0)) return 'routes of at least one frame, got none';
  for (const [stream, route] of (routes as readonly Uint8Array[]).entries()) {
    const frame = route.findIndex((branch) => branch >= branches.length);
    const most = branches.length - 1;
    if (frame >= 0)
      return `routes with branches from 0 to ${most}, got ${route[frame]} at frame ${frame} of stream ${stream}`;
  }
  const isMeasured = isMap(metrics) && Object.values(metrics).every((value) => Number.isFinite(value));
  return metrics === undefined || isMeasured ? undefined : 'finite numbers by name as "metrics"';
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY;
}

function isMap(value: unknown): value is Unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
