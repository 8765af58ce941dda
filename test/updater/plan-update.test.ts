import { expect, test } from 'vitest';
import { MAX_CHAIN_STEPS, planRoute } from '../../src/chain/plan-route.js';
import type { Release } from '../../src/release/find-releases.js';
import { planUpdate } from '../../src/updater/plan-update.js';
import { sampleStatement } from '../release/maker.js';
import { codeOf, createRandom } from '../support.js';
import { Fleet } from './fleet.js';

/** Releases of one test list: far more than fit into 5 MB of metadata. */
const MANY = 10_000;

/** An ample bound: each of these plans takes a tenth of a second. */
const MOST_MS = 5_000;

const model = (index: number): string => index.toString(16).padStart(32, '0');

const update = (from: number, to: number, bytes = 10): Release => {
  const name = `${from}-${to}.ndiff`;
  return {
    path: name,
    statement: sampleStatement({ name, base: model(from), next: model(to), counter: to, bytes }),
  };
};

const whole = (to: number, bytes: number): Release => {
  const { base, formatVersion, ...rest } = sampleStatement({ kind: 'full', name: `${to}.safetensors` });
  return { path: rest.name, statement: { ...rest, next: model(to), counter: to, bytes } };
};

const chainOf = (length: number): Release[] => Array.from({ length }, (_, i) => update(i, i + 1));

const device = (at = 0) => ({ fingerprint: model(at), counter: at, rejectedModels: [] });

/** @returns the plan, made within the bound */
function planInTime(releases: readonly Release[], policy = {}) {
  const start = performance.now();
  const { plan } = planUpdate(releases, device(), policy);
  expect(performance.now() - start).toBeLessThan(MOST_MS);
  return plan;
}

test('planUpdate() takes a chain of 64 payloads, and of a longer one what is in reach', () => {
  expect(MAX_CHAIN_STEPS).toBe(64);
  expect(planUpdate(chainOf(64), device()).plan).toMatchObject({ kind: 'chain', counter: 64, bytes: 640 });
  for (const length of [65, 3_000]) {
    const { plan } = planUpdate(chainOf(length), device());
    expect(plan).toMatchObject({ kind: 'chain', counter: 64 });
    expect(plan?.steps).toHaveLength(64);
    expect(plan?.reason).toContain(`release ${length} is out of reach`);
  }
});

test('planUpdate() takes the whole model where a chain would be too long, and says so', () => {
  const { plan } = planUpdate([...chainOf(3_000), whole(3_000, 1_000_000)], device());
  expect(plan).toMatchObject({ kind: 'full', counter: 3_000, ways: { full: 1_000_000 } });
  expect(plan?.reason).toBe('the whole model, 1000000 bytes: there is no alternative of at most 64 payloads');
});

test('planRoute() finds the cheapest chain of at most 64 payloads, where a cheaper one is longer', () => {
  const edge = (from: number, to: number, bytes: number) => ({
    name: `${from}-${to}`,
    base: model(from),
    next: model(to),
    bytes,
  });
  const small = Array.from({ length: 65 }, (_, i) => edge(i, i + 1, 1));
  const ends = { from: model(0), to: model(65) };
  expect(planRoute(small, ends).best).toBeUndefined();
  expect(planRoute([...small, edge(3, 6, 50)], ends).best).toMatchObject({ bytes: 112, steps: 63 });
});

test('planUpdate() goes around cycles and past gaps', () => {
  const back = chainOf(20).map(({ statement: { base, next } }) =>
    update(Number.parseInt(next, 16), Number.parseInt(base as string, 16), 0),
  );
  const { plan } = planUpdate([...chainOf(20), ...back], device());
  expect(plan?.steps.map(({ statement }) => statement.name)).toEqual(chainOf(20).map(({ path }) => path));
  const gap = chainOf(20).filter(({ path }) => path !== '9-10.ndiff');
  expect(planUpdate(gap, device()).plan).toMatchObject({ counter: 9 });
});

test(`planUpdate() plans with ${MANY} releases in bounded time: a chain, gaps, dense and random graphs`, () => {
  expect(planInTime(chainOf(MANY))?.counter).toBe(64);
  expect(planInTime(Array.from({ length: MANY }, (_, i) => update(i + 1, i + 2)))).toBeUndefined();
  expect(planInTime(chainOf(MANY), { maxBytes: 5 })).toBeUndefined();
  const dense = Array.from({ length: MANY }, (_, i) => update(i % 100, Math.floor(i / 100), 1 + (i % 7)));
  expect(planInTime(dense)?.counter).toBe(99);
  const fan = Array.from({ length: MANY }, (_, i) => update(0, i + 1, i));
  expect(planInTime(fan, { maxBytes: 0 })?.counter).toBe(1);
  const random = createRandom(9);
  const web = Array.from({ length: MANY }, () => update(random() % 500, random() % 500, random() % 1_000));
  expect(planInTime(web)?.counter).toBe(499);
});

test('update() refuses a plan with a gap, a cycle, or too many steps, before anything is fetched', async () => {
  const fleet = await Fleet.start(3);
  for (const index of [1, 2]) await fleet.release(index);
  const fleetDevice = await fleet.device();
  const updater = fleetDevice.updater();
  const plan = (await updater.check()).plan!;
  const [first, second] = plan.steps as [Release, Release];
  const wrong = {
    gap: [second],
    reversed: [second, first],
    short: [first],
    cycle: [first, second, first, second],
    long: Array.from({ length: 65 }, () => first),
  };
  for (const [name, steps] of Object.entries(wrong))
    expect([name, await codeOf(() => updater.update({ ...plan, steps }))]).toEqual([name, 'broken-chain']);
  expect(await fleetDevice.disk.list('updates/downloads')).toEqual([]);
  expect((await updater.update(plan)).status).toBe('updated');
});
