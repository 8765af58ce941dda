import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planRoute, type Route, type RouteEdge, routeEdge } from '../../src/chain/plan-route.js';
import { hex } from '../../src/model/bytes.js';
import { codeOf, pack, sampleModel } from '../support.js';
import { randomDiff } from './random-diff.js';

const edge = (name: string, bytes: number, opBytes?: number): RouteEdge => {
  const [base, next] = name.split('>') as [string, string];
  return { name, base, next, bytes, ...(opBytes !== undefined && { opBytes }) };
};

/** Every way without circles, by brute force. */
function allPaths(
  edges: readonly RouteEdge[],
  from: string,
  to: string,
  seen: readonly string[] = [],
): RouteEdge[][] {
  if (from === to) return [[]];
  return edges
    .filter(({ base, next }) => base === from && ![...seen, from].includes(next))
    .flatMap((each) => allPaths(edges, each.next, to, [...seen, from]).map((rest) => [each, ...rest]));
}

function routesOf(path: RouteEdge[]): Pick<Route, 'kind' | 'bytes' | 'steps'>[] {
  const bytes = path.reduce((sum, each) => sum + each.bytes, 0);
  if (path.length === 1) return [{ kind: 'direct', bytes, steps: 1 }];
  const chain = { kind: 'chain' as const, bytes, steps: path.length };
  const ops = path.slice(0, -1).reduce((sum, each) => sum + (each.opBytes ?? Number.NaN), 0);
  const composed = { kind: 'composed' as const, bytes: ops + (path.at(-1) as RouteEdge).bytes, steps: 1 };
  return path.every(({ opBytes }) => opBytes !== undefined) ? [chain, composed] : [chain];
}

const NODES = ['a', 'b', 'c', 'd', 'e'];
const anyEdge = fc
  .record({
    base: fc.constantFrom(...NODES),
    next: fc.constantFrom(...NODES),
    bytes: fc.nat({ max: 12 }),
    opBytes: fc.option(fc.nat({ max: 12 }), { nil: undefined }),
  })
  .map(({ opBytes, ...facts }) => ({ ...facts, ...(opBytes !== undefined && { opBytes }) }));
const anyGraph = fc
  .array(anyEdge, { maxLength: 12 })
  .map((list): RouteEdge[] => list.map((facts, i) => ({ name: `p${i}`, ...facts })));

test('planRoute() finds the same routes as an exhaustive search', () => {
  const full = fc.option(fc.nat({ max: 30 }), { nil: undefined });
  const property = fc.property(anyGraph, full, (edges, fullBytes) => {
    const { best, routes } = planRoute(edges, { from: 'a', to: 'b', fullBytes });
    const tried = allPaths(edges, 'a', 'b').flatMap(routesOf);
    for (const kind of ['direct', 'composed', 'chain'] as const) {
      const costs = tried.filter((route) => route.kind === kind).map(({ bytes }) => bytes);
      const found = routes.find((route) => route.kind === kind);
      expect(found?.bytes).toBe(costs.length > 0 ? Math.min(...costs) : undefined);
    }
    const all = [...tried, ...(fullBytes === undefined ? [] : [{ bytes: fullBytes, steps: 1 }])];
    const least = Math.min(...all.map(({ bytes }) => bytes));
    expect(best?.bytes).toBe(all.length > 0 ? least : undefined);
    const steps = all.filter(({ bytes }) => bytes === least).map((route) => route.steps);
    if (best) expect(best.steps).toBe(Math.min(...steps));
  });
  fc.assert(property, { numRuns: 1_000 });
});

test('planRoute() returns connected edges, independent of their order', () => {
  const property = fc.property(anyGraph, fc.nat(), (edges, turn) => {
    const { routes } = planRoute(edges, { from: 'a', to: 'b' });
    for (const { edges: path } of routes) {
      expect([path[0]?.base, path.at(-1)?.next]).toEqual(['a', 'b']);
      path.forEach(({ base }, i) => {
        if (i > 0) expect(base).toBe(path[i - 1]?.next);
      });
    }
    const at = edges.length === 0 ? 0 : turn % edges.length;
    const turned = [...edges.slice(at), ...edges.slice(0, at)].reverse();
    expect(planRoute(turned, { from: 'a', to: 'b' }).routes).toEqual(routes);
  });
  fc.assert(property, { numRuns: 500 });
});

test('planRoute() weighs direct, composed, chain and full', () => {
  const edges = [edge('a>b', 60, 20), edge('b>c', 70, 30), edge('c>a', 10, 5), edge('a>c', 100, 55)];
  const plan = planRoute(edges, { from: 'a', to: 'c', fullBytes: 500 });
  expect(plan.routes.map(({ kind, bytes, steps }) => [kind, bytes, steps])).toEqual([
    ['direct', 100, 1],
    ['composed', 90, 1],
    ['chain', 130, 2],
    ['full', 500, 1],
  ]);
  expect(plan.best?.kind).toBe('composed');
});

test('planRoute() prefers fewer steps for the same number of bytes', () => {
  const edges = [edge('a>b', 50), edge('b>c', 50)];
  expect(planRoute(edges, { from: 'a', to: 'c', fullBytes: 100 }).best?.kind).toBe('full');
  expect(planRoute([...edges, edge('a>c', 100)], { from: 'a', to: 'c', fullBytes: 100 }).best?.kind).toBe(
    'direct',
  );
});

test('planRoute() follows reverse payloads, and handles equal ends and missing routes', () => {
  const circle = [edge('a>b', 5), edge('b>a', 9), edge('b>c', 5)];
  expect(planRoute(circle, { from: 'b', to: 'a' }).best?.edges.map(({ name }) => name)).toEqual(['b>a']);
  expect(planRoute(circle, { from: 'a', to: 'a' }).best).toMatchObject({ kind: 'none', bytes: 0, steps: 0 });
  expect(planRoute(circle, { from: 'c', to: 'a' })).toEqual({ best: undefined, routes: [] });
});

test('planRoute() refuses invalid numbers of bytes', () => {
  expect(() => planRoute([edge('a>b', -1)], { from: 'a', to: 'b' })).toThrow(RangeError);
  expect(() => planRoute([], { from: 'a', to: 'b', fullBytes: 0.5 })).toThrow(RangeError);
});

test('routeEdge() reads fingerprints and sizes, and refuses files that are not payloads', async () => {
  const base = sampleModel();
  const { payload } = await pack(base, randomDiff(base.tensors, 12));
  const found = await routeEdge('one', payload);
  expect(found).toMatchObject({ name: 'one', bytes: payload.length });
  expect(found.base).not.toBe(found.next);
  expect(found.opBytes).toBeLessThan(payload.length - 40);
  expect(found.base).toHaveLength(hex(new Uint8Array(16)).length);
  expect(await codeOf(() => routeEdge('cut', payload.subarray(0, -3)))).toBe('corrupt-payload');
});
