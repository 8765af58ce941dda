import { afterEach, expect, test } from 'vitest';
import { connectUpdater } from '../../src/updater/connect-updater.js';
import { serveUpdater } from '../../src/updater/serve-updater.js';
import type { Updater, UpdaterEvent } from '../../src/updater/updater.js';
import { codeOf, errorOf } from '../support.js';
import { type Device, Fleet } from './fleet.js';

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

type Options = Parameters<Device['updater']>[0];

/** Serves a device's updater behind a port. @returns what calls it there */
function remote(device: Device, options: Options = {}, name = `n${Math.random()}`) {
  return serve((onEvent) => device.updater({ ...options, onEvent }), name);
}

function serve(open: Parameters<typeof serveUpdater>[0], name: string) {
  const { port1, port2 } = new MessageChannel();
  const events: UpdaterEvent[] = [];
  ended.push(serveUpdater(open, { name, scope: port2 }), () => port1.close());
  const connect = (more: UpdaterEvent[] = events): Updater => {
    const updater = connectUpdater(port1, { name, onEvent: (event) => more.push(event) });
    ended.push(updater.close);
    return updater;
  };
  return { updater: connect(), events, connect };
}

async function released(): Promise<Fleet> {
  const fleet = await Fleet.start();
  for (const index of [1, 2]) await fleet.release(index);
  return fleet;
}

test('every call of a connected updater gives what the served one gives', async () => {
  const fleet = await released();
  const [near, far] = [(await fleet.device()).updater(), remote(await fleet.device()).updater];
  const steps: ((updater: Updater) => Promise<unknown>)[] = [
    (updater) => updater.start(),
    (updater) => updater.check(),
    async (updater) => updater.update((await updater.check()).plan),
    (updater) => updater.status(),
    (updater) => updater.rollback(),
    (updater) => updater.update(),
    (updater) => updater.rollback(),
    (updater) => updater.update(undefined, { retryRejected: true }),
    (updater) => updater.confirm(),
    (updater) => updater.rollback(),
    (updater) => updater.recover(),
    (updater) => updater.history(),
  ];
  for (const [i, step] of steps.entries()) expect(await step(far), `step ${i}`).toEqual(await step(near));
  expect(await far.status()).toMatchObject({ counter: 2, fingerprint: fleet.version(2).name });
});

test('events of a call arrive before its result, once each, and those of other connections arrive too', async () => {
  const fleet = await released();
  const local: UpdaterEvent[] = [];
  await (await fleet.device()).updater({ onEvent: (event) => local.push(event) }).update();
  const { updater, events, connect } = remote(await fleet.device());
  const others: UpdaterEvent[] = [];
  connect(others);
  await updater.update();
  const typesOf = (all: readonly UpdaterEvent[]) => all.map(({ type }) => type);
  expect(typesOf(events)).toEqual(typesOf(local));
  expect(typesOf(local)).toContain('updated');
  while (others.length < local.length) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(typesOf(others)).toEqual(typesOf(local));
  expect(typesOf(events)).toEqual(typesOf(local));
});

test('errors keep their codes, facts and causes', async () => {
  const fleet = await released();
  const device = await fleet.device();
  const selfTest = () => {
    throw new RangeError('3 of 4 words');
  };
  const { updater } = remote(device, { selfTest });
  const error = await errorOf(() => updater.update());
  const near = (await fleet.device()).updater({ selfTest });
  const local = await errorOf(() => near.update());
  expect(error).toMatchObject({ code: 'health-check-failed', facts: local.facts, message: local.message });
  expect(error.cause).toBeInstanceOf(RangeError);
  expect((await updater.status()).fingerprint).toBe(fleet.version(0).name);
});

test('a second connection that updates at the same time gets `locked`', async () => {
  const fleet = await released();
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { updater, connect, events } = remote(await fleet.device(), { selfTest: () => held });
  const other = connect([]);
  const first = updater.update();
  while (!events.some(({ type }) => type === 'self-test'))
    await new Promise((resolve) => setTimeout(resolve, 1));
  expect(await codeOf(() => other.update())).toBe('locked');
  letGo();
  expect((await first).status).toBe('updated');
  expect((await other.update().catch((error) => error)).code).toBe('on-trial');
});

test('an aborted signal ends the call in the worker with its reason, and the model is unchanged', async () => {
  const fleet = await released();
  const controller = new AbortController();
  const reason = new Error('the person has left');
  const selfTest = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
  const device = await fleet.device();
  const { updater, events } = remote(device, { selfTest });
  const call = updater.update(undefined, { signal: controller.signal });
  while (!events.some(({ type }) => type === 'self-test'))
    await new Promise((resolve) => setTimeout(resolve, 1));
  controller.abort(reason);
  expect(await call.catch((error) => error)).toBe(reason);
  expect(await updater.status()).toMatchObject({ status: 'settled', fingerprint: fleet.version(0).name });
  expect(await updater.check({ signal: controller.signal }).catch((error) => error)).toBe(reason);
  expect((await updater.update()).status).toBe('updated');
});

test('what cannot be sent to a worker is refused at once', async () => {
  const fleet = await released();
  const { updater } = remote(await fleet.device());
  const { plan } = await updater.check();
  const unsendable = { ...plan, reason: () => 'a function' } as never;
  expect((await updater.update(unsendable).catch((error) => error)).name).toBe('DataCloneError');
});

test('an updater that cannot be opened fails the call, and the next call opens it again', async () => {
  const fleet = await released();
  const device = await fleet.device();
  let tries = 0;
  const open = async () => {
    if (tries++ === 0) throw new RangeError('no disk yet');
    return device.updater();
  };
  const { updater } = serve(open, 'late');
  await expect(updater.start()).rejects.toThrow('no disk yet');
  expect((await updater.start()).status).toBe('settled');
  await updater.status();
  expect(tries).toBe(2);
});

test('an updater is served under its name; other messages are left alone', async () => {
  const fleet = await released();
  const device = await fleet.device();
  const { port1, port2 } = new MessageChannel();
  ended.push(
    serveUpdater(() => device.updater(), { name: 'one', scope: port2 }),
    () => port1.close(),
  );
  const port = new MessageChannel();
  port1.postMessage(null, []);
  port1.postMessage({ mark: 'neural-diff/updater', name: 'one', method: 'constructor' }, [port.port1]);
  const other = connectUpdater(port1, { name: 'two', answerMs: 30 });
  expect(await codeOf(() => other.status())).toBe('worker-lost');
  const own = connectUpdater(port1, { name: 'one', answerMs: 10_000 });
  expect((await own.status()).fingerprint).toBe(fleet.version(0).name);
  port.port2.close();
});
