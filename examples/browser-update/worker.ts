// The program of a worker, dedicated or service: keeps the model of page.ts up to date.

import { serveUpdater } from 'neural-diff/updater';
import { openKeptUpdater } from './kept-updater.js';
import { DATABASE } from './names.js';

/** Root metadata of the repository: put into this script when it is bundled. */
declare const ROOT_METADATA: string;

serveUpdater((onEvent) =>
  openKeptUpdater({
    database: DATABASE,
    base: new URL('base', location.href).href,
    releases: new URL('releases', location.href).href,
    root: new TextEncoder().encode(ROOT_METADATA),
    onEvent,
  }),
);
