import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from './rig.js';

const SERVERS = ['account', 'container', 'object'] as const;
const PROGRAMS = ['memcached', 'swift-proxy-server', ...SERVERS.map((name) => `swift-${name}-server`)];

// What the client says of versions of Node.js is no matter of tests.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

/** Why tests of stores on S3 are skipped; undefined where the server is installed. */
export const NO_S3 = (() => {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  if (missing.length === 0) return undefined;
  const why = `SKIPPED: tests of stores on S3; install ${missing.join(', ')} (Debian packages memcached, swift-proxy, swift-account, swift-container, swift-object)`;
  process.stderr.write(`\n${why}\n`);
  return why;
})();

const RINGS = `
import sys
from swift.common.ring import RingBuilder
folder = sys.argv[1]
for name, port in zip(sys.argv[2::2], sys.argv[3::2]):
    ring = RingBuilder(2, 1, 0)
    where = {'ip': '127.0.0.1', 'port': int(port), 'replication_ip': '127.0.0.1', 'replication_port': int(port)}
    ring.add_dev({'region': 1, 'zone': 1, 'device': 'disk', 'weight': 1, **where})
    ring.rebalance()
    ring.get_ring().save('%s/%s.ring.gz' % (folder, name))
`;

/** OpenStack Swift with its interface of S3 (signatures of version 4), with all of its data in a folder. */
export class S3Server {
  static readonly bucket = 'farm';
  readonly #folder: string;
  readonly #children = new Map<string, ChildProcess>();
  readonly #ports = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#ports.get('proxy')}`;
  }

  /** What the environment of its users has. */
  get env() {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'farm:tester',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** Starts all servers and makes the bucket. */
  async start(): Promise<void> {
    for (const name of ['memcache', 'proxy', ...SERVERS]) this.#ports.set(name, await freePort());
    mkdirSync(join(this.#folder, 'devices', 'disk'), { recursive: true });
    const ports = SERVERS.flatMap((name) => [name, String(this.#ports.get(name))]);
    execFileSync('/usr/bin/python3', ['-c', RINGS, this.#folder, ...ports]);
    this.#write('swift.conf', '[swift-hash]', 'swift_hash_path_suffix = suffix');
    for (const name of SERVERS) this.#write(`${name}.conf`, ...this.#storage(name));
    this.#write('proxy.conf', ...this.#proxy());
    const memory = ['-l', '127.0.0.1', '-p', String(this.#ports.get('memcache')), '-u', userInfo().username];
    this.#children.set('memcache', spawn('memcached', memory, { stdio: 'ignore' }));
    for (const name of [...SERVERS, 'proxy']) this.#spawn(name);
    await this.#until(() => this.#client.send(new CreateBucketCommand({ Bucket: S3Server.bucket })));
  }

  /** Stops what answers requests; the data stay. */
  async stopAnswering(): Promise<void> {
    await this.#stop('proxy');
  }

  async answerAgain(): Promise<void> {
    this.#spawn('proxy');
    await this.#until(() => this.list(''));
  }

  async stop(): Promise<void> {
    for (const name of this.#children.keys()) await this.#stop(name);
  }

  /** Replaces an object behind the store's back. */
  async put(key: string, content: Uint8Array, metadata: Record<string, string> = {}): Promise<void> {
    const what = { Bucket: S3Server.bucket, Key: key, Body: content, Metadata: metadata };
    await this.#client.send(new PutObjectCommand(what));
  }

  /** @returns the keys of objects that begin with a prefix, of at most 1000 */
  async list(prefix: string): Promise<string[]> {
    const list = new ListObjectsV2Command({ Bucket: S3Server.bucket, Prefix: prefix });
    const { Contents = [] } = await this.#client.send(list);
    return Contents.map(({ Key = '' }) => Key);
  }

  get #client(): S3Client {
    const credentials = {
      accessKeyId: this.env.AWS_ACCESS_KEY_ID,
      secretAccessKey: this.env.AWS_SECRET_ACCESS_KEY,
    };
    const requests = { requestChecksumCalculation: 'WHEN_REQUIRED', maxAttempts: 1 } as const;
    return new S3Client({
      ...{ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true, credentials, ...requests },
    });
  }

  async #until(answers: () => Promise<unknown>): Promise<void> {
    for (let left = 900; ; left--) {
      try {
        await answers();
        return;
      } catch (error) {
        if (left === 0) throw error;
        await sleep(100);
      }
    }
  }

  #spawn(name: string): void {
    const child = spawn(`swift-${name}-server`, [join(this.#folder, `${name}.conf`)], { stdio: 'ignore' });
    this.#children.set(name, child);
  }

  async #stop(name: string): Promise<void> {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  #write(name: string, ...lines: string[]): void {
    writeFileSync(join(this.#folder, name), lines.join('\n'));
  }

  #general(name: string): string[] {
    const where = ['bind_ip = 127.0.0.1', `bind_port = ${this.#ports.get(name)}`];
    return [
      '[DEFAULT]',
      ...where,
      'workers = 0',
      `user = ${userInfo().username}`,
      `swift_dir = ${this.#folder}`,
    ];
  }

  #storage(name: string): string[] {
    const devices = [`devices = ${join(this.#folder, 'devices')}`, 'mount_check = false'];
    const app = [
      '[pipeline:main]',
      `pipeline = ${name}-server`,
      `[app:${name}-server]`,
      `use = egg:swift#${name}`,
    ];
    return [...this.#general(name), ...devices, ...app];
  }

  #proxy(): string[] {
    const filter = (name: string, ...lines: string[]) => [
      `[filter:${name}]`,
      `use = egg:swift#${name}`,
      ...lines,
    ];
    return [
      ...this.#general('proxy'),
      ...['[pipeline:main]', 'pipeline = catch_errors memcache s3api tempauth slo proxy-server'],
      ...['[app:proxy-server]', 'use = egg:swift#proxy', 'account_autocreate = true'],
      // It would shun servers for a minute that were not up yet.
      'error_suppression_limit = 1000000',
      ...filter('tempauth', 'user_farm_tester = secret .admin'),
      ...filter('s3api', 'location = us-east-1', 'auth_pipeline_check = false'),
      ...filter('memcache', `memcache_servers = 127.0.0.1:${this.#ports.get('memcache')}`),
      ...filter('slo'),
      ...filter('catch_errors'),
    ];
  }
}
