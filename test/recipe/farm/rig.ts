import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN } from '../../cli/command.js';

/** @returns a port that was free a moment ago */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether there is a Redis server to test with; the gate installs the Debian package `redis-server`. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) process.stderr.write('SKIPPED: tests of farms need redis-server (Debian: redis-server)\n');

/** How a Redis server listens. */
interface Listening {
  readonly folder: string;
  readonly port: number;
  readonly password?: string;
  /** Files of the certificate that it shows, and of its key; by default it uses no TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** A real Redis server with its data, by its append-only file, in a folder. */
export class RedisServer {
  readonly #args: readonly string[];
  readonly url: string;
  #child: ChildProcess | undefined;

  constructor({ folder, port, password, tls }: Listening) {
    mkdirSync(folder, { recursive: true });
    const ports = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
    this.#args = [
      ...[...ports, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'],
      ...(password ? ['--requirepass', password] : []),
      ...(tls ? ['--tls-cert-file', tls.certificate, '--tls-key-file', tls.key] : []),
      ...(tls ? ['--tls-ca-cert-file', tls.certificate, '--tls-auth-clients', 'no'] : []),
    ];
    this.url = `${tls ? 'rediss' : 'redis'}://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const child = spawn('redis-server', this.#args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    for await (const chunk of child.stdout as NodeJS.ReadableStream)
      if (String(chunk).includes('Ready to accept connections')) break;
    child.stdout?.resume();
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

/** A worker of a farm in a process of its own. */
export class FarmWorker {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Events, one for each line of JSON. */
  readonly events: {
    readonly event: string;
    readonly id: string;
    readonly error?: string;
    readonly code?: string;
    readonly facts?: Readonly<Record<string, string>>;
  }[] = [];
  stderr = '';

  constructor(url: string, ...flags: string[]) {
    const args = [MAIN, 'farm', 'worker', '--queue', url, '--json', ...flags];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    this.child.stdout?.on('data', (chunk) => {
      text += chunk;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        this.events.push(JSON.parse(text.slice(0, end)));
        text = text.slice(end + 1);
      }
    });
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
  }

  /** Waits for an event. */
  async until(event: string, seconds = 60): Promise<FarmWorker['events'][number]> {
    for (let left = seconds * 20; left > 0; left--) {
      const found = this.events.find((each) => each.event === event);
      if (found) return found;
      await sleep(50);
    }
    throw new Error(`no event "${event}" within ${seconds} s: ${JSON.stringify(this.events)} ${this.stderr}`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended;
  }
}
