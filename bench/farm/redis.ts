import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { endOf, endWithThis } from './children.js';

/** A Redis server that appends each change to a file, as docs/FARM.md advises. */
export interface BenchRedis {
  readonly url: string;
  /** Memory of its data, in bytes. */
  memory(): number;
  /** Commands that it has processed. */
  commands(): number;
  stop(): Promise<void>;
}

/** Starts a Redis server with its data in a folder. */
export async function startRedis(folder: string): Promise<BenchRedis> {
  mkdirSync(folder, { recursive: true });
  const port = String(await freePort());
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  endWithThis(child);
  for await (const line of child.stdout) if (String(line).includes('Ready to accept connections')) break;
  child.stdout.resume();
  const fact = (section: string, name: string): number => {
    const text = execFileSync('redis-cli', ['-p', port, 'info', section], { encoding: 'utf8' });
    return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    memory: () => fact('memory', 'used_memory'),
    commands: () => fact('stats', 'total_commands_processed'),
    stop: () => endOf(child),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
