import { readFileSync } from 'node:fs';

/** @returns the version of this package */
export function readVersion(): string {
  const manifest = new URL('../../package.json', import.meta.url);
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}
