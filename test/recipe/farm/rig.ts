import { type ChildProcess, spawn } from 'node:child_process';
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

/** A real Redis server with its data, by its append-only file, in a folder. */
export class RedisServer {
  readonly #args: readonly string[];
  readonly url: string;
  #child: ChildProcess | undefined;

  constructor({ folder, port, password }: { folder: string; port: number; password?: string }) {
    mkdirSync(folder, { recursive: true });
    const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
    this.#args = [
      ...where,
      '--save',
      '',
      '--appendonly',
      'yes',
      ...(password ? ['--requirepass', password] : []),
    ];
    this.url = `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
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
  readonly events: { readonly event: string; readonly id: string; readonly error?: string }[] = [];
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
  async until(event: string, seconds = 60): Promise<void> {
    for (let left = seconds * 10; left > 0; left--) {
      if (this.events.some((each) => each.event === event)) return;
      await sleep(100);
    }
    throw new Error(`no event "${event}" within ${seconds} s: ${JSON.stringify(this.events)} ${this.stderr}`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended;
  }
}
