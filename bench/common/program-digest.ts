import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LOCK = 'package-lock.json';

/** What a compiled module names: imports, and files next to it such as programs of threads. */
const NAMED = /(?:from|import\(?)\s*['"]([^'"]+)['"]|new URL\(\s*['"](\.[^'"]+)['"]/g;

const digests = new Map<string, string>();

/**
 * Computes a digest of all that a program does: the files that it names, these files' own, and the versions
 * of packages. Results of a program of the same digest need not be computed again.
 *
 * @param program compiled module
 * @returns SHA-256 in hexadecimal digits
 */
export function programDigest(program: URL): string {
  const known = digests.get(program.href);
  if (known !== undefined) return known;
  const contents = new Map<string, Uint8Array>();
  gather(program.href, contents);
  const hash = createHash('sha256').update(readFileSync(LOCK));
  for (const [, content] of [...contents].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${content.length}\n`).update(content);
  }
  const digest = hash.digest('hex');
  digests.set(program.href, digest);
  return digest;
}

function gather(href: string, contents: Map<string, Uint8Array>): void {
  const path = fileURLToPath(href);
  // A program may name a folder, too.
  if (contents.has(href) || !statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  const content = readFileSync(path);
  contents.set(href, content);
  if (!path.endsWith('.js')) return;
  for (const [, imported, file] of content.toString().matchAll(NAMED)) {
    const name = (imported ?? file) as string;
    if (name.startsWith('.')) gather(new URL(name, href).href, contents);
    else if (name.startsWith('neural-diff')) gather(import.meta.resolve(name), contents);
  }
}
