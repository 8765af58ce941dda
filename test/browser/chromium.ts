import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page, type Worker } from 'playwright-core';

/** Where Debian's package `chromium` puts the program. */
const DEBIAN_PATH = '/usr/bin/chromium';

/**
 * The sandbox needs rights that containers rarely have. WebGL and WebGPU run on the processor, whatever
 * graphics card there is. The rest keeps the browser from calling home.
 */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Where code runs in a browser. */
export type Realm = Page | Worker;

/**
 * Starts a headless Chromium: the one that the environment variable CHROMIUM names, else Debian's.
 *
 * @returns the browser; close it
 * @throws Error when the program is not there: a suite that skips itself proves nothing
 */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch(chromiumOptions());
}

/**
 * @returns how Chromium is started: where it is, and with which flags
 * @throws Error when the program is not there
 */
export function chromiumOptions(): { executablePath: string; args: string[] } {
  const executablePath = process.env.CHROMIUM ?? DEBIAN_PATH;
  if (!existsSync(executablePath)) {
    throw new Error(
      `Cannot start Chromium: expected a program at "${executablePath}", got none; install the Debian package "chromium" or set CHROMIUM to its path`,
    );
  }
  return { executablePath, args: FLAGS };
}

/** @returns a dedicated worker of the page that runs a script */
export async function startWorker(page: Page, script: string): Promise<Worker> {
  const [worker] = await Promise.all([
    page.waitForEvent('worker'),
    page.evaluate(`void new Worker(${JSON.stringify(script)})`),
  ]);
  return worker;
}
