import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Debian's packages `firefox-esr`, `webkit2gtk-driver` and `xvfb` put their programs. */
const FIREFOX = '/usr/bin/firefox-esr';
const WEBKIT = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';
const XVFB = '/usr/bin/xvfb-run';

/** Browsers that are programs of the machine, and what they need. */
export const BROWSERS = { Firefox: [FIREFOX], WebKit: [WEBKIT, XVFB] } as const;
export type BrowserName = keyof typeof BROWSERS;

/** @returns what of a browser is not there */
export const missingOf = (name: BrowserName): string[] => BROWSERS[name].filter((path) => !existsSync(path));

/** How a browser is opened. */
export interface OpenOptions {
  /** Folder of what it keeps, which outlives it; one of its own by default. */
  readonly home?: string;
  readonly isPrivate?: boolean;
  /** Kilobytes that all origins together may keep, in Firefox. */
  readonly quotaKb?: number | undefined;
}

/** @returns an empty folder for what a browser keeps */
export const newHome = (): string => mkdtempSync(join(tmpdir(), 'neural-diff-browser-'));

/** Opens an address in a browser. @returns what kills it, and waits until it is gone */
export async function openBrowser(
  name: BrowserName,
  address: string,
  { home, isPrivate = false, quotaKb }: OpenOptions = {},
): Promise<() => Promise<void>> {
  const kept = home ?? newHome();
  const args = name === 'Firefox' ? firefox(kept, { isPrivate, quotaKb }) : webkit(isPrivate);
  const env = { ...process.env, HOME: kept, XDG_DATA_HOME: kept, XDG_CACHE_HOME: join(kept, 'cache') };
  const [program, ...rest] = [...args, address] as unknown as [string, ...string[]];
  // The program leads a group of processes, to which its helpers belong.
  const child = spawn(program, rest, { stdio: 'ignore', detached: true, env });
  const ended = new Promise((resolve) => child.on('close', resolve));
  return async () => {
    process.kill(-(child.pid as number), 'SIGKILL');
    await ended;
    if (home === undefined) rmSync(kept, { recursive: true, force: true, maxRetries: 5 });
  };
}

function firefox(home: string, { isPrivate, quotaKb }: Pick<OpenOptions, 'isPrivate' | 'quotaKb'>): string[] {
  const profile = join(home, 'profile');
  mkdirSync(profile, { recursive: true });
  // It would open the tabs of a run that was killed next to the new one.
  for (const name of ['sessionstore-backups', 'sessionstore.jsonlz4'])
    rmSync(join(profile, name), { recursive: true, force: true });
  const preferences = {
    'browser.shell.checkDefaultBrowser': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'browser.sessionstore.resume_from_crash': false,
    'toolkit.startup.max_resumed_crashes': -1,
    ...(quotaKb !== undefined && { 'dom.quotaManager.temporaryStorage.fixedLimit': quotaKb }),
  };
  const lines = Object.entries(preferences).map(([key, value]) => `user_pref("${key}", ${value});\n`);
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  return [
    FIREFOX,
    '--headless',
    '--no-remote',
    '--profile',
    profile,
    ...(isPrivate ? ['--private-window'] : []),
  ];
}

const webkit = (isPrivate: boolean): string[] => [XVFB, '-a', WEBKIT, ...(isPrivate ? ['--private'] : [])];
