// Runs in a worker, dedicated or service: serves the updater of a model, whose database its address names.

import { serveUpdater } from 'neural-diff/updater';
import { openKeptUpdater } from '../../examples/browser-update/kept-updater.js';

const query = new URL(location.href).searchParams;

/** A self-test that never ends, for updates that are interrupted. */
const hang = (): Promise<void> => new Promise(() => {});

// A service worker takes the place of one with another address at once.
addEventListener('install', () => void (self as unknown as { skipWaiting(): Promise<void> }).skipWaiting());

serveUpdater(async (onEvent) => {
  const root = await fetch(new URL('root.json', location.href));
  return openKeptUpdater({
    database: query.get('database') as string,
    base: new URL('base', location.href).href,
    releases: new URL('releases', location.href).href,
    root: new Uint8Array(await root.arrayBuffer()),
    onEvent,
    // The golden inputs are for the page: it checks the outputs after it took the weights over.
    selfTest: query.has('hangs') ? hang : () => {},
  });
});
