import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeGolden } from '../../../examples/common/golden.js';
import { saveModel } from '../../../examples/common/train-base.js';
import { beginRepository, makeKeys, release } from '../../../examples/device-server/publish-update.js';
import { type FolderServer, serveFolder } from '../../../examples/device-server/serve-folder.js';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { fingerprint } from '../../../src/model/fingerprint.js';
import { openMemoryStore } from '../../../src/model/store.js';
import { openModelStorage } from '../../../src/node/open-model.js';
import { packDiff } from '../../../src/payload/encode.js';
import { openRepositoryFolder } from '../../../src/publish/files.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { openLiveModel } from '../../../src/tfjs/live-store.js';
import { copyWeights, namedWeights } from '../../../src/tfjs/weights.js';
import { createUpdater } from '../../../src/updater/create-updater.js';
import { openHttpSource } from '../../../src/updater/http-source.js';

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'dist', 'examples', 'edge-node', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-edge-'));
const inside = (...names: string[]): string => join(folder, ...names);
const names = { base: '', next: '' };
let server: FolderServer;

/**
 * Makes a model and two repositories with an update of it: one with its outputs, one with those of the base.
 */
beforeAll(async () => {
  await useBackend('wasm');
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4], name: 'only' })] });
  const nameOf = async (): Promise<string> =>
    await fingerprint(openMemoryStore(await copyWeights(namedWeights(model))));
  await saveModel(model, inside('base'));
  names.base = await nameOf();
  const wrong = makeGolden(model, [[1, 2, 3, 4]]);
  const [positions, levels] = [Uint32Array.of(1, 5), Int16Array.of(3, -2)];
  const op = { kind: 'sparse', tensor: 'only/kernel', scale: 0.5, positions, levels } as const;
  const { payload } = await packDiff(await copyWeights(namedWeights(model)), { ops: [op] });
  await applyPayload(openLiveModel(model), payload);
  names.next = await nameOf();
  const goldens = { good: makeGolden(model, [[1, 2, 3, 4]]), bad: wrong };
  for (const [name, bytes] of Object.entries(goldens)) {
    const keys = await makeKeys(inside('keys', name));
    writeFileSync(inside(`${name}.json`), await beginRepository(inside('site', name), keys));
    const golden = { name: 'golden.json', bytes };
    const draft = { model: inside('base'), name: 'v1.ndiff', bytes: payload, counter: 1, golden };
    await release(openRepositoryFolder(inside('site', name)), keys, draft);
  }
  server = await serveFolder(inside('site'));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Gives a device the base. @returns what runs the program on it: exit status and what it prints */
function newDevice(repository: string, url = `${server.url}/${repository}`) {
  const model = mkdtempSync(inside('device-'));
  cpSync(inside('base'), model, { recursive: true });
  const flags = ['--model', model, '--repo', url, '--root', inside(`${repository}.json`)];
  const run = (): Promise<{ status: number; text: string; errors: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, ...flags], (error, text, errors) =>
        resolve({ status: Number(error?.code ?? 0), text, errors }),
      );
    });
  return { model, run };
}

test('a device takes a release whose golden outputs it finds, and keeps it', async () => {
  const { run } = newDevice('good');
  const first = await run();
  expect([first.status, first.errors]).toEqual([0, '']);
  expect(first.text).toContain(`confirmed: ${names.next}\nmodel ${names.next}\n`);
  expect((await run()).text).toBe(`current\nmodel ${names.next}\n`);
});

test('a device refuses a release whose golden outputs it does not find, and does not try it again', async () => {
  const { run } = newDevice('bad');
  const { status, text, errors } = await run();
  expect(status).toBe(1);
  expect(text).not.toContain('updated');
  expect(errors).toMatch(/^health-check-failed: .*golden input 0/m);
  const again = await run();
  expect([again.status, again.errors]).toEqual([0, '']);
  expect(again.text).toMatch(/^held-back: model .* failed its self-test\n/);
  expect(again.text).toContain(`\nmodel ${names.base}\n`);
});

test('a device ends the trial of a run that was cut off', async () => {
  const { model, run } = newDevice('good');
  const storage = await openModelStorage(model);
  const cut = createUpdater({
    storage,
    disk: storage.disk,
    folder: `${storage.file}.updates`,
    source: openHttpSource({ url: `${server.url}/good` }),
    root: (await openRepositoryFolder(inside('site', 'good')).read('metadata/1.root.json')) as Uint8Array,
  });
  await cut.update();
  await storage.close();
  expect((await run()).text).toBe(`confirmed: ${names.next}\ncurrent\nmodel ${names.next}\n`);
});

test('a device without a network keeps its model', async () => {
  const { run } = newDevice('good', 'http://127.0.0.1:9');
  const { status, errors } = await run();
  expect([status, errors.split(':')[0]]).toEqual([1, 'network']);
});
