import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const read = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));
const training = ['--base', at('v1'), '--recipe', recipe('points'), '--budget', '40%', '--seed', '7'];

beforeAll(() => writeModel(at('v1')));

test('train --curve writes each epoch of the diff, which report shows, with the history', async () => {
  const args = ['train', 'hash', ...training, '--curve', at('curve.json'), '-o', at('v2.ndiff'), '--json'];
  const { status, stdout } = await command(...args);
  expect(status).toBe(0);
  const { metrics, next } = JSON.parse(stdout);
  const curve = read('curve.json');
  expect(curve).toMatchObject({ format: 'neural-diff curve', version: 1, next });
  expect(curve.metrics).toEqual({ base: metrics.base, full: metrics.full });
  expect(curve.epochs).toHaveLength(6);
  for (const { loss, state, metrics: found } of curve.epochs) {
    expect(loss).toBeGreaterThan(0);
    expect(Object.keys(state)).toEqual(['buckets']);
    expect(Object.keys(found)).toEqual(['loss', 'accuracy']);
  }
  // The last step, whose weights are measured, has nearly no effect.
  expect(curve.epochs.at(-1).metrics.accuracy).toBeCloseTo(metrics.diff.accuracy, 1);

  const report = ['report', '--base', at('v1'), '--payload', at('v2.ndiff')];
  const earlier = ['one', 'two'].flatMap((name) => ['--against', at(`${name}/report.json`)]);
  for (const name of ['one', 'two'])
    expect((await command(...report, '--title', name, '-o', at(name))).status).toBe(0);
  const last = [...report, ...earlier, '--curve', at('curve.json'), '--title', 'three', '-o', at('three')];
  expect((await command(...last)).status).toBe(0);
  const { curves, history, trend } = read('three/report.json');
  expect([curves[0].candidate, curves[0].epochs.length, trend.title]).toEqual(['v2', 6, 'two']);
  expect(history.map(({ title }: { title: string }) => title)).toEqual(['one', 'two', 'three']);
  const page = readFileSync(at('three/report.html'), 'utf8');
  for (const id of ['training', 'history']) expect(page).toContain(`<section id="${id}"`);
}, 60_000);

test('--curve changes nothing of a payload, and is refused where several are trained', async () => {
  expect((await command('train', 'hash', ...training, '-o', at('plain.ndiff'))).status).toBe(0);
  expect(readFileSync(at('plain.ndiff')).equals(readFileSync(at('v2.ndiff')))).toBe(true);
  const search = ['train', 'auto', ...training, '--curve', at('auto.json'), '-o', at('auto.ndiff')];
  const { status, stderr } = await command(...search);
  expect([status, stderr]).toEqual([2, expect.stringContaining('--curve with one kind')]);
  const twice = ['train', 'hash', ...training, '--curve', at('curve.json'), '-o', at('other.ndiff')];
  expect((await command(...twice)).stderr).toContain('output-exists');
  expect(existsSync(at('other.ndiff'))).toBe(false);
});
