// Runs in a page and in a worker: how fast the disks of browsers are.
import { openLayersStore, openMemoryFiles, openPayload } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import {
  type BrowserDisk,
  installSlots,
  openIndexedDbDisk,
  openOpfsDisk,
  openSlots,
  type SlotOptions,
} from 'neural-diff/storage';

const MIB = 2 ** 20;
const FILE_BYTES = 64 * MIB;
const PAGE_BYTES = 4_096;
const PAGES = 1_000;

/** Milliseconds. */
export interface Times {
  readonly write: number;
  readonly read: number;
  readonly pages: number;
  readonly install: number;
  readonly update: number;
}

/** Measures one disk: a file of 64 MiB, pages at random in it, and the update of a model. */
export async function measureDisk(kind: 'files' | 'database', files: readonly string[]): Promise<Times> {
  const name = `bench${Math.random()}`;
  const disk = await (kind === 'files'
    ? openOpfsDisk({ folder: name })
    : openIndexedDbDisk({ database: name }));
  const contents = new Map<string, Uint8Array>();
  for (const path of [...files, 'update.ndiff']) contents.set(path, await download(path));
  const slots: SlotOptions = { disk, folder: 'model', openModel: openLayersStore };
  const payload = contents.get('update.ndiff') as Uint8Array;
  const times = await disk.withLock('bench', async () => ({
    write: await timeOf(() => writeAll(disk)),
    read: await timeOf(() => readAll(disk)),
    pages: await timeOf(() => writePages(disk)),
  }));
  await disk.remove('file');
  const install = await timeOf(() => installSlots(slots, openMemoryFiles(contents), files));
  const { header } = await openPayload(payload);
  const names = { base: header.base, next: header.next };
  const update = await timeOf(() =>
    openSlots(slots).update(async (store) => void (await applyPayload(store, payload)), names),
  );
  for (const path of await disk.list('')) await disk.remove(path);
  await disk.close();
  return { ...times, install, update };
}

async function writeAll(disk: BrowserDisk): Promise<void> {
  const bytes = Uint8Array.from({ length: MIB }, (_, i) => (i * i) >>> 7);
  for (let at = 0; at < FILE_BYTES; at += MIB) await disk.write('file', at, bytes);
  await disk.sync('file');
}

async function readAll(disk: BrowserDisk): Promise<void> {
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < FILE_BYTES; at += MIB) await disk.readInto('file', at, bytes);
}

/** Pages far from each other, in order, as an update writes them. */
async function writePages(disk: BrowserDisk): Promise<void> {
  const bytes = new Uint8Array(PAGE_BYTES).fill(7);
  const step = PAGE_BYTES * Math.floor(FILE_BYTES / PAGE_BYTES / PAGES);
  for (let i = 0; i < PAGES; i++) await disk.write('file', i * step, bytes);
  await disk.sync('file');
}

async function download(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

async function timeOf(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}
