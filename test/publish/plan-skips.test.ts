import { expect, test } from 'vitest';
import { planSkips } from '../../src/publish/plan-skips.js';
import type { ReleaseStatement } from '../../src/release/statement.js';

const model = (i: number): string => i.toString(16).padStart(12, '0').padEnd(32, '0');

function payload(from: number, to: number, name = `v${to}.ndiff`): ReleaseStatement {
  const file = { name, bytes: 1, sha256: '', modelBytes: 1 };
  const ends = { base: model(from), next: model(to) };
  return { kind: 'update', ...file, ...ends, counter: to, expires: new Date(), metrics: {} };
}

/** @returns the releases of a repository that was given so many payloads, with their skips */
function releaseAll(count: number): ReleaseStatement[] {
  let present: ReleaseStatement[] = [];
  for (let to = 1; to <= count; to++) {
    const release = payload(to - 1, to);
    const { skips, superseded } = planSkips(present, release);
    expect(skips.length).toBeLessThanOrEqual(Math.log2(to) + 1);
    const made = skips.map(({ name, base }) => payload(Number.parseInt(base.slice(0, 12), 16), to, name));
    present = [...present.filter(({ name }) => !superseded.includes(name)), release, ...made];
  }
  return present;
}

/** @returns the fewest payloads from each model to the newest one */
function stepsFrom(present: readonly ReleaseStatement[], newest: number): Map<string, number> {
  const steps = new Map([[model(newest), 0]]);
  for (let round = 0; round < newest; round++)
    for (const { base, next } of present) {
      const after = steps.get(next);
      if (after !== undefined && after + 1 < (steps.get(base as string) ?? Number.POSITIVE_INFINITY))
        steps.set(base as string, after + 1);
    }
  return steps;
}

test.each([1, 2, 3, 5, 8, 13, 64, 100, 127, 200])(
  'after %i releases each route has at most log2(n) + 1 payloads',
  (count) => {
    const present = releaseAll(count);
    const steps = stepsFrom(present, count);
    for (let from = 0; from < count; from++)
      expect(steps.get(model(from)), `from ${from}`).toBeLessThanOrEqual(Math.log2(count) + 1);
    expect(present.length).toBeLessThanOrEqual(2 * count + Math.log2(count) + 1);
  },
);

test('a skip composes the payloads between, in order', () => {
  const { skips } = planSkips(releaseAll(7), payload(7, 8));
  const longest = skips.find(({ base }) => base === model(0));
  expect(longest?.parts.map(({ name }) => name)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `v${i}.ndiff`));
});

test('releases for other devices, whole models and cycles are left alone', () => {
  const camera = { ...payload(0, 1), deviceClasses: ['camera'] };
  const whole = { ...payload(0, 1), kind: 'full' as const, base: undefined };
  expect(planSkips([camera, whole], payload(1, 2))).toEqual({ skips: [], superseded: [] });
  const back = payload(2, 0, 'back.ndiff');
  expect(
    planSkips([payload(0, 1), payload(1, 2), back], payload(0, 1, 'again.ndiff')).skips.length,
  ).toBeLessThan(3);
});
