// What runs on the device: patch the model folder in place and say what it is now. No TensorFlow.js in sight.

import { Session } from 'node:inspector';
import { applyPayload } from 'neural-diff/apply';
import { openModel, readPayload } from 'neural-diff/node';

/** What the device reports to those who started it. */
export interface DeviceReport {
  readonly status: 'applied' | 'current';
  /** Fingerprint of the weights as they are stored now. */
  readonly fingerprint: string;
  /** Milliseconds from the payload in memory to the verified result. */
  readonly milliseconds: number;
  /** Packages that this process has really loaded. */
  readonly modules: readonly string[];
}

/** Asks the JavaScript engine for every script that it holds, and names the packages that they belong to. */
function loadedPackages(): string[] {
  const urls: string[] = [];
  const session = new Session();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params }) => urls.push(params.url));
  session.post('Debugger.enable');
  session.disconnect();
  const names = urls.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

const [folder, payloadPath] = process.argv.slice(2) as [string, string];
const payload = await readPayload(payloadPath);
const store = await openModel(folder, { writable: true });
try {
  const started = performance.now();
  const { status, fingerprint } = await applyPayload(store, payload);
  const milliseconds = performance.now() - started;
  const report: DeviceReport = { status, fingerprint, milliseconds, modules: loadedPackages() };
  process.stdout.write(JSON.stringify(report));
} finally {
  await store.close();
}
