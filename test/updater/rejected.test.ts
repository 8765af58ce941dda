import { expect, test } from 'vitest';
import { fromHex } from '../../src/model/bytes.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import type { UpdateSource } from '../../src/updater/http-source.js';
import { type RejectedRelease, withRejected } from '../../src/updater/rejected-releases.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { sampleStatement, sha256Hex, TestRepository, targetOf } from '../release/maker.js';
import { codeOf, seal } from '../support.js';
import { type Device, Fleet } from './fleet.js';

/** A repository that signs whatever it is given, and remembers what was asked of it. */
class Careless {
  readonly repository = new TestRepository();
  readonly fleet: Fleet;
  readonly files = new Map<string, Uint8Array>();
  readonly fetched: string[] = [];
  #targets = {};

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  /** Lists a file with a statement that is true but for what is changed. */
  sign(name: string, bytes: Uint8Array, changes: Partial<ReleaseStatement> = {}): void {
    const { base, formatVersion, ...statement } = sampleStatement({
      name,
      bytes: bytes.length,
      sha256: sha256Hex(bytes),
      counter: 1,
      next: this.fleet.version(1).name,
    });
    const isFull = name.endsWith('.safetensors');
    const ends = isFull ? { kind: 'full' as const } : { base: this.fleet.version(0).name, formatVersion: 1 };
    this.#targets = { ...this.#targets, ...targetOf({ ...statement, ...ends, ...changes }) };
    this.files.set(`targets/${sha256Hex(bytes)}.${name}`, bytes);
    this.repository.publish(this.#targets);
  }

  source(): UpdateSource {
    return {
      fetch: async (path) => this.repository.fetchMetadata(path.replace('metadata/', '')),
      open: async (path, { offset }) => {
        this.fetched.push(path.replace(/.*[.](?=v)/, ''));
        const bytes = this.files.get(path);
        if (bytes === undefined) throw new NeuralDiffError('network', `no ${path}`);
        async function* pieces() {
          yield (bytes as Uint8Array).subarray(offset);
        }
        return { offset, pieces: pieces() };
      },
    };
  }

  updater(device: Device, options: Parameters<Device['updater']>[0] = {}) {
    const root = this.repository.files.get('1.root.json') as Uint8Array;
    return device.updater({ root, source: this.source(), now: this.repository.clock.now, ...options });
  }
}

/** @returns the payload with some bytes of its own, and a checksum that fits */
async function forge(payload: Uint8Array, at: number, bytes: Uint8Array): Promise<Uint8Array> {
  const forged = payload.slice();
  forged.set(bytes, at);
  return seal(forged.subarray(0, -10));
}

/** Where in a payload the digit of its format is: behind the first byte of a text, and "ndiff". */
const VERSION_AT = 6;

/** @returns where the next model's fingerprint is in the payload of a version */
function nextAt({ fleet, payload }: { fleet: Fleet; payload: Uint8Array }): number {
  return Buffer.from(payload).indexOf(fromHex(fleet.version(1).name));
}

const WRONG: Readonly<Record<string, (given: { fleet: Fleet; payload: Uint8Array }) => Promise<Uint8Array>>> =
  {
    'not-a-payload': async () => new TextEncoder().encode('a text that somebody signed instead'),
    'unsupported-version': ({ payload }) => forge(payload, VERSION_AT, Uint8Array.of(0x39)),
    'corrupt-payload': async ({ payload }) =>
      payload.map((byte, i) => (i === payload.length - 1 ? byte ^ 1 : byte)),
    'payload-mismatch': async ({ fleet }) => fleet.version(2).payload,
  };

test.each(Object.keys(WRONG))(
  'a release that is refused with %s is not downloaded again as it is',
  async (code) => {
    const fleet = await Fleet.start(3);
    const careless = new Careless(fleet);
    const bytes = (await WRONG[code]?.({ fleet, payload: fleet.version(1).payload })) as Uint8Array;
    careless.sign('v1.ndiff', bytes);
    const device = await fleet.device();
    expect(await codeOf(() => careless.updater(device).update())).toBe(code);
    expect(await device.disk.list('updates/downloads')).toEqual([]);
    const again = careless.updater(device);
    expect((await again.update()).status).toBe('held-back');
    expect(careless.fetched).toEqual(['v1.ndiff']);
    expect(await again.status()).toMatchObject({
      status: 'settled',
      fingerprint: fleet.version(0).name,
      rejectedModels: [],
      rejectedReleases: [{ name: 'v1.ndiff', code }],
    });
    // Another program may know better, and another statement is another release.
    expect(await codeOf(() => careless.updater(device, { programVersion: '2' }).update())).toBe(code);
    careless.sign('v1.ndiff', bytes, { metrics: { accuracy: 0.5 } });
    expect(await codeOf(() => careless.updater(device).update())).toBe(code);
    expect(careless.fetched).toHaveLength(3);
  },
);

test('a release that is refused while downloads cannot be removed, or the disk is full, leaves no trial behind', async () => {
  const fleet = await Fleet.start(2);
  const careless = new Careless(fleet);
  careless.sign('v1.ndiff', new TextEncoder().encode('a text that somebody signed instead'));
  for (const isFull of [false, true]) {
    const device = await fleet.device();
    const { remove, write } = device.disk;
    let isTrial = false;
    const failOnce = (code: 'no-space' | 'file-unreadable'): never => {
      isTrial = false;
      throw new NeuralDiffError(code, 'not now');
    };
    device.disk.remove = async (path) =>
      isTrial && !isFull && path.includes('downloads') ? failOnce('file-unreadable') : remove(path);
    device.disk.write = async (path, ...rest) => {
      const isState = path.startsWith('updates/state');
      if (isTrial && isFull && isState) failOnce('no-space');
      await write(path, ...rest);
      isTrial ||= isState;
    };
    const updater = careless.updater(device);
    const expected = isFull ? 'not-a-payload' : 'file-unreadable';
    expect(await codeOf(() => updater.update())).toBe(expected);
    expect(await updater.status()).toMatchObject({
      status: 'settled',
      rejectedReleases: [{ name: 'v1.ndiff' }],
    });
    expect((await updater.update()).status).toBe('held-back');
  }
});

test('a way around a refused payload is taken: the whole model, or another payload', async () => {
  const fleet = await Fleet.start(2);
  const { payload, model } = fleet.version(1);
  const at = nextAt({ fleet, payload });
  const wrong = await forge(payload, at, new Uint8Array(16).fill(7));
  const careless = new Careless(fleet);
  careless.sign('v1.ndiff', wrong.subarray(0, 60));
  careless.sign('v1.safetensors', writeSafetensors(model));
  const device = await fleet.device();
  const updater = careless.updater(device);
  const { plan } = await updater.check();
  expect(plan?.kind).toBe('direct');
  await expect(updater.update(plan)).rejects.toThrow(NeuralDiffError);
  expect(await codeOf(() => updater.update(plan))).toBe('release-refused');
  expect(await updater.update()).toMatchObject({ status: 'updated', plan: { kind: 'full' } });
  expect((await updater.status()).fingerprint).toBe(fleet.version(1).name);
  const other = await fleet.device();
  careless.sign('v1-again.ndiff', payload);
  await expect(careless.updater(other).update()).rejects.toThrow(NeuralDiffError);
  expect((await careless.updater(other).update()).plan?.steps[0]?.statement.name).toBe('v1-again.ndiff');
});

test('a payload that gives another model than it promises is refused, the model it was to lead to is not', async () => {
  const fleet = await Fleet.start(2);
  const { payload, model } = fleet.version(1);
  const lie = new Uint8Array(16).fill(7);
  const careless = new Careless(fleet);
  const next = Buffer.from(lie).toString('hex');
  careless.sign('v1.ndiff', await forge(payload, nextAt({ fleet, payload }), lie), { next, counter: 2 });
  careless.sign('v1.safetensors', writeSafetensors(model));
  const updater = careless.updater(await fleet.device());
  expect(await codeOf(() => updater.update())).toBe('result-mismatch');
  expect(await updater.status()).toMatchObject({
    rejectedModels: [],
    rejectedReleases: [{ code: 'result-mismatch' }],
  });
  expect(await updater.update()).toMatchObject({ status: 'updated', plan: { kind: 'full', counter: 1 } });
});

test('a whole model of other tensors is downloaded once', async () => {
  const fleet = await Fleet.start(2);
  const careless = new Careless(fleet);
  const [first] = fleet.version(1).model.tensors;
  careless.sign('v1.safetensors', writeSafetensors({ tensors: [first as NonNullable<typeof first>] }));
  const device = await fleet.device();
  expect(await codeOf(() => careless.updater(device).update())).toBe('wrong-layout');
  expect((await careless.updater(device).update()).status).toBe('held-back');
  expect(careless.fetched).toEqual(['v1.safetensors']);
});

test('what a release is not to blame for is tried again: networks, disks, a file that is not the signed one', async () => {
  const fleet = await Fleet.start(2);
  const careless = new Careless(fleet);
  const { payload } = fleet.version(1);
  careless.sign('v1.ndiff', payload);
  const path = [...careless.files.keys()][0] as string;
  const device = await fleet.device();
  for (const [code, bytes] of [
    ['payload-mismatch', payload.map((byte) => byte ^ 1)],
    ['network', payload.subarray(0, 40)],
  ] as const) {
    careless.files.set(path, bytes);
    expect(await codeOf(() => careless.updater(device).update())).toBe(code);
  }
  careless.files.set(path, payload);
  const whole = device.disk.clone();
  await careless.updater(device, { disk: whole }).update();
  let failures = 0;
  for (let failAt = 0; failAt < whole.log.length; failAt += 3) {
    const disk = device.disk.clone({ failAt });
    const failing = careless.updater(device, { disk });
    await failing.update().catch(() => failures++);
    expect((await failing.status()).rejectedReleases).toBeUndefined();
  }
  expect(failures).toBeGreaterThan(10);
});

test('no more than 64 refused releases are remembered, the newest', () => {
  let refused: readonly RejectedRelease[] = [];
  const entry = (i: number) => ({ name: `v${i}`, statement: String(i % 90), code: 'bad-model', by: '' });
  for (let i = 0; i < 100; i++) refused = withRejected(refused, entry(i));
  expect([
    refused.length,
    refused.at(-1)?.name,
    new Set(refused.map(({ statement }) => statement)).size,
  ]).toEqual([64, 'v99', 64]);
});
