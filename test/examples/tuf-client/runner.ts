import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runClient } from '../../../examples/tuf-client/client.js';
import { ROLES, type Role } from '../../../src/release/metadata.js';
import { Simulator } from './simulator.js';

/** One test of the suite: a client, and the repository that it follows. */
export type Scenario = (client: Client, repository: Simulator) => Promise<void>;

/** Scenarios by the names that the suite gives them. */
export type Scenarios = Readonly<Record<string, Scenario>>;

/** Runs a command of the client at a moment. @returns its exit status */
export type RunCommand = (args: readonly string[], now: Date) => Promise<number>;

export const inThisProcess: RunCommand = (args, now) => runClient(args, { now: () => now, log: () => {} });

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'examples', 'tuf-client', 'tuf-client');

/** Runs the built program, as the suite does; it has the machine's clock alone. */
export const inAProcess: RunCommand = (args) =>
  new Promise((resolve) => {
    const child = execFile(PROGRAM, args, () => resolve(child.exitCode ?? -1));
  });

/** A client under test: its folders and what it trusts. */
export class Client {
  readonly folder = mkdtempSync(join(tmpdir(), 'neural-diff-tuf-'));
  readonly #run: RunCommand;
  readonly #url: string;
  readonly #root: () => Uint8Array;

  constructor(run: RunCommand, url: string, root: () => Uint8Array) {
    [this.#run, this.#url, this.#root] = [run, url, root];
    for (const name of ['metadata', 'targets']) mkdirSync(join(this.folder, name));
  }

  /** Makes the client trust a root, by default the repository's first. */
  async init(root = this.#root()): Promise<void> {
    const file = join(this.folder, 'initial_root.json');
    writeFileSync(file, root);
    const args = ['--metadata-dir', join(this.folder, 'metadata'), 'init', file];
    expect(await this.#run(args, new Date())).toBe(0);
  }

  refresh(now = new Date()): Promise<number> {
    return this.#run([...this.#metadata(), 'refresh'], now);
  }

  download(name: string, now = new Date(), urlFlag = '--target-base-url'): Promise<number> {
    const place = ['--target-dir', join(this.folder, 'targets'), urlFlag, `${this.#url}/targets/`];
    return this.#run([...this.#metadata(), '--target-name', name, ...place, 'download'], now);
  }

  #metadata(): string[] {
    return ['--metadata-url', `${this.#url}/metadata/`, '--metadata-dir', join(this.folder, 'metadata')];
  }

  /** @returns the trusted file of a role, undefined for none */
  trusted(role: string): Uint8Array | undefined {
    const name = `${role}.json`;
    return readdirSync(join(this.folder, 'metadata')).includes(name)
      ? readFileSync(join(this.folder, 'metadata', name))
      : undefined;
  }

  /** @returns the version of a role that the client trusts */
  version(role: Role): number | undefined {
    const bytes = this.trusted(role);
    return bytes && JSON.parse(new TextDecoder().decode(bytes)).signed.version;
  }

  /** @returns all trusted files and their versions: no other file may be in the folder */
  versions(): Partial<Record<Role, number>> {
    const found = ROLES.flatMap((role) =>
      this.version(role) === undefined ? [] : [[role, this.version(role)]],
    );
    expect(readdirSync(join(this.folder, 'metadata'))).toHaveLength(found.length);
    return Object.fromEntries(found);
  }

  /** @returns what was downloaded, the oldest file first */
  downloaded(): string[] {
    const paths = readdirSync(join(this.folder, 'targets')).map((name) => join(this.folder, 'targets', name));
    return paths
      .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
      .map((path) => readFileSync(path, 'utf8'));
  }

  /** Changes one byte of a trusted file. */
  damage(role: string): void {
    const bytes = this.trusted(role) as Uint8Array;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(join(this.folder, 'metadata', `${role}.json`), bytes);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Serves simulated repositories, each in a folder of its own. */
export class SimulatorServer {
  readonly #repositories: Simulator[] = [];
  readonly #server: Server = createServer((request, response) => {
    const [, index, path = ''] = /^\/(\d+)\/(.*)$/.exec(request.url ?? '') ?? [];
    const bytes = this.#repositories[Number(index)]?.fetch(path);
    response.writeHead(bytes ? 200 : 404, { connection: 'close' }).end(bytes);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** Runs a scenario with a new client and a new repository. */
  async play(scenario: Scenario, run: RunCommand): Promise<void> {
    const repository = new Simulator();
    const { port } = this.#server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/${this.#repositories.push(repository) - 1}`;
    const client = new Client(run, url, () => repository.published.get('root')?.[0] as Uint8Array);
    await scenario(client, repository).finally(() => client.remove());
  }

  close(): void {
    this.#server.close();
  }
}
