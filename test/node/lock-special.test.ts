import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neural-diff-lock-'));
  path = join(folder, 'model.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const STALE = JSON.stringify({ pid: 1, boot: 'an earlier run' });

/** Things that are no regular files. */
const SPECIAL: Readonly<Record<string, (path: string) => void>> = {
  'a named pipe': (name) => void execFileSync('mkfifo', [name]),
  'a folder': (name) => mkdirSync(name),
  'a link to nothing': (name) => symlinkSync('nothing', name),
  'a link to a device without an end': (name) => symlinkSync('/dev/zero', name),
};

/** Locks in a process that is killed after six seconds. @returns the outcome and the peak of its memory */
async function lockElsewhere(): Promise<{ found: string; message: string; megabytes: number }> {
  const module = new URL('../../dist/src/node/lock-file.js', import.meta.url).href;
  // Unlike `resourceUsage`, this does not count the process that this one was forked from.
  const code = `import { readFileSync } from 'node:fs';
    import { lockFile } from ${JSON.stringify(module)};
    const outcome = await lockFile(${JSON.stringify(path)}, async () => ({ found: 'held', message: '' }))
      .catch(({ code, message }) => ({ found: code, message }));
    const [, peak] = /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
    console.log(JSON.stringify({ ...outcome, megabytes: peak / 1e3 }));`;
  const limits = { timeout: 6_000, killSignal: 'SIGKILL' } as const;
  const args = ['--input-type=module', '-e', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, limits);
  return JSON.parse(stdout);
}

describe.each(Object.entries(SPECIAL))('lockFile(), where there is %s', (_, make) => {
  test.each(['model.lock', 'model.lock.clearing'])('of the name %s, says so and leaves it', async (name) => {
    if (name !== 'model.lock') writeFileSync(path, STALE);
    make(join(folder, name));
    const { found, message, megabytes } = await lockElsewhere();
    expect(found).toBe('locked');
    expect(message).toContain(`${name}": the file of that name is no lock of this package; remove it`);
    expect(megabytes).toBeLessThan(200);
    expect(lstatSync(join(folder, name)).isFile()).toBe(false);
  });

  test('of the name of a draft, leaves it and goes on', async () => {
    const draft = `${path}.${2 ** 22 + 1}.0123abcd`;
    writeFileSync(path, STALE);
    make(draft);
    expect(await lockElsewhere()).toMatchObject({ found: 'held' });
    expect(readdirSync(folder)).toHaveLength(1);
    expect(existsSync(path)).toBe(false);
  });
});
