import { hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles, readWhole } from '../model/model-files.js';
import { Sha256Stream } from '../model/sha256-stream.js';
import type { WeightStore } from '../model/store.js';
import { decodeUtf8, encodeUtf8 } from '../model/text.js';
import { type Disk, filesOnDisk, folderOf, readRecord, sizeOf, writeRecord } from './disk.js';
import { installSlots, openSlots, type SlotOptions, type SlotStorage } from './slots.js';

/** Options of `openModelCache`. */
export interface ModelCacheOptions {
  readonly disk: Disk;
  /** Folder on the disk that only the cache uses; defaults to `cache`. */
  readonly folder?: string;
  /** Opens a model from its files and the name of the main one: `openContainer`. */
  readonly openModel: (files: ModelFiles, path: string) => Promise<WeightStore>;
  /** Fetches a file that is not kept yet; by default the runtime's `fetch`. */
  readonly fetch?: (address: string) => Promise<Response>;
  /** Called with errors of the disk in `match`, which then finds nothing, so that the page still loads. */
  readonly onError?: (error: unknown) => void;
}

/** Downloaded files by address, some of which are a model that is updated in place of downloaded again. */
export interface ModelCache {
  /** @returns a kept file, as updates have left it; undefined if it is not kept. It never throws. */
  match(request: string | { readonly url: string }): Promise<Response | undefined>;
  /**
   * Keeps a file, whole or not at all. Files of models that are updated stay as they are.
   *
   * @throws NeuralDiffError `no-space`; errors of the body
   */
  put(request: string | { readonly url: string }, response: Response): Promise<void>;
  /**
   * Makes a model one that is updated: with its external data it moves into two slots. Files that are not
   * kept yet are fetched.
   *
   * @param address the model's main file, as it is asked for
   * @returns its storage, for `createUpdater` and `applyPayload`; later matches give the updated files
   * @throws NeuralDiffError `network`, `locked`, `no-space`; errors of `openModel`
   */
  storage(address: string): Promise<SlotStorage>;
  /**
   * Reads a model for ONNX Runtime Web, and keeps it like `storage`.
   *
   * @returns arguments of `InferenceSession.create`: the main file, and `externalData` of the options
   */
  load(address: string): Promise<{
    readonly model: Uint8Array;
    readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
  }>;
}

/** Bytes that a response reads at once. */
const PIECE_BYTES = 2 ** 20;

/** Bytes of a name that stands for an address. */
const NAME_BYTES = 16;

/**
 * Opens a cache of downloads whose models are updated by payloads: `env.customCache` of transformers.js, and
 * models with external data for ONNX Runtime Web. Several tabs may use one disk.
 *
 * @example
 * const cache = openModelCache({
 *   disk: openNodeDisk('models'),
 *   openModel: (files, path) => openContainer(files, path),
 * });
 * await cache.put('https://example.com/config.json', new Response('{}'));
 * const kept = await cache.match('https://example.com/config.json');
 * console.log(await kept?.text());
 */
export function openModelCache(options: ModelCacheOptions): ModelCache {
  const { disk, folder = 'cache', onError } = options;
  const files = new KeptFiles({ ...options, folder });
  const match: ModelCache['match'] = async (request) => {
    try {
      const path = await files.find(addressOf(request));
      return path === undefined ? undefined : await respond(disk, path);
    } catch (error) {
      onError?.(error);
      return undefined;
    }
  };
  return {
    match,
    put: (request, response) => files.keep(addressOf(request), response),
    storage: (address) => files.adopt(address),
    async load(address) {
      const storage = await files.adopt(address);
      const kept = filesOnDisk({ disk, folder: await storage.folder() });
      const names = await namesOf(kept, mainName(address), options);
      const [model, ...external] = await Promise.all(names.map((name) => readWhole(kept, name)));
      const externalData = external.map((data, i) => ({ path: names[i + 1] as string, data }));
      return { model: model as Uint8Array, externalData };
    },
  };
}

const addressOf = (request: string | { readonly url: string }): string =>
  typeof request === 'string' ? request : request.url;

/** @returns a name for an address, whatever it contains */
function nameOf(address: string): string {
  const hash = new Sha256Stream();
  hash.add(encodeUtf8(address));
  return hex(hash.finish().subarray(0, NAME_BYTES));
}

/** A file of a model that is updated. */
interface Link {
  /** Name of the model. */
  readonly model: string;
  /** The file's name among those of the model. */
  readonly file: string;
}

/** Files by address: plain ones, and links to files of models that are in slots. */
class KeptFiles {
  readonly #options: ModelCacheOptions & { readonly folder: string };

  constructor(options: ModelCacheOptions & { readonly folder: string }) {
    this.#options = options;
  }

  #path(kind: 'files' | 'links' | 'models', name: string): string {
    return `${this.#options.folder}/${kind}/${name}`;
  }

  /** @returns the path of what is kept for an address */
  async find(address: string): Promise<string | undefined> {
    const { disk } = this.#options;
    const name = nameOf(address);
    const linked = await this.#findLinked(name);
    if (linked !== undefined) return linked;
    const path = this.#path('files', name);
    return (await disk.size(path)) === undefined ? undefined : path;
  }

  /** @returns the path of a file of a model that is updated, and installed */
  async #findLinked(name: string): Promise<string | undefined> {
    const bytes = await readRecord(this.#options.disk, this.#path('links', name));
    if (bytes === undefined) return undefined;
    const { model, file } = JSON.parse(decodeUtf8(bytes)) as Link;
    const folder = await installedFolder(this.#slots(model));
    return folder === undefined ? undefined : `${folder}/${file}`;
  }

  /** Slots of a model, by the name of its address; `main` is needed to open it. */
  #slots(model: string, main = ''): SlotOptions {
    const { disk, openModel } = this.#options;
    return { disk, folder: this.#path('models', model), openModel: (files) => openModel(files, main) };
  }

  /** Keeps a file that is not part of a model that is updated. */
  async keep(address: string, response: Response): Promise<void> {
    const name = nameOf(address);
    const path = this.#path('files', name);
    const { disk, folder } = this.#options;
    try {
      await disk.withLock(`${folder}/keep-${name}`, async () => {
        if ((await this.#findLinked(name)) !== undefined) return void (await response.body?.cancel());
        await writeBody(disk, `${path}.new`, response);
        await disk.rename(`${path}.new`, path);
        await disk.syncDirectory(folderOf(path));
      });
    } catch (error) {
      // Another tab is keeping the same file.
      if (!(error instanceof NeuralDiffError && error.code === 'locked')) throw error;
    }
  }

  /** Moves a model into slots, if it is not there yet. */
  async adopt(address: string): Promise<SlotStorage> {
    const { disk, folder } = this.#options;
    const model = nameOf(address);
    const slots = this.#slots(model, mainName(address));
    const isKept = async (): Promise<boolean> => (await this.#findLinked(model)) !== undefined;
    if (!(await isKept()))
      await disk.withLock(`${folder}/adopt-${model}`, async () => {
        if (!(await isKept())) await this.#install(address, slots);
      });
    return openSlots(slots);
  }

  /**
   * Installs a model, or goes on with what was interrupted. The links come last, that of the main file after
   * all others: it says that all is done.
   */
  async #install(address: string, slots: SlotOptions): Promise<void> {
    const { disk } = this.#options;
    const main = mainName(address);
    const folder = await installedFolder(slots);
    const files = folder === undefined ? this.#plainFiles(address) : filesOnDisk({ disk, folder });
    const names = await namesOf(files, main, this.#options);
    if (folder === undefined) await installSlots(slots, files, names);
    for (const file of [...names].reverse()) {
      const name = nameOf(siblingOf(address, main, file));
      await writeRecord(
        disk,
        this.#path('links', name),
        encodeUtf8(JSON.stringify({ model: nameOf(address), file })),
      );
      await disk.remove(this.#path('files', name));
    }
  }

  /** The files next to an address, which are fetched when they are first asked for. */
  #plainFiles(address: string): ModelFiles {
    const { disk, fetch = (of) => globalThis.fetch(of) } = this.#options;
    const paths = new Map<string, string>();
    const keep = async (file: string): Promise<string> => {
      const of = siblingOf(address, mainName(address), checkInside(file));
      const path = await this.find(of);
      if (path !== undefined) return path;
      const response = await fetch(of).catch((cause) => {
        throw new NeuralDiffError('network', `Cannot fetch "${of}": ${(cause as Error).message}`, { cause });
      });
      if (!response.ok)
        throw new NeuralDiffError('network', `Cannot fetch "${of}": status ${response.status}`);
      await this.keep(of, response);
      return this.#path('files', nameOf(of));
    };
    const ensure = async (file: string): Promise<string> => {
      const path = paths.get(file) ?? (await keep(file));
      paths.set(file, path);
      return path;
    };
    return {
      size: async (file) => sizeOf(disk, await ensure(file)),
      readInto: async (file, offset, target) => disk.readInto(await ensure(file), offset, target),
      write: () => Promise.reject(new RangeError('Cannot write to downloaded files')),
      flush: async () => {},
      close: async () => {},
    };
  }
}

/** @returns the folder of a model in slots; undefined where none is installed */
async function installedFolder(slots: SlotOptions): Promise<string | undefined> {
  try {
    return await openSlots(slots).folder();
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'file-not-found') return undefined;
    throw error;
  }
}

/** @returns the names of a model's files, the main one first */
async function namesOf(
  files: ModelFiles,
  main: string,
  { openModel }: ModelCacheOptions,
): Promise<readonly string[]> {
  const store = await openModel(files, main);
  try {
    return (await store.parts?.())?.paths ?? [main];
  } finally {
    await store.close();
  }
}

/** @returns an address without what follows its path */
const pathPart = (address: string): string => address.replace(/[?#].*$/s, '');

/** @returns the name of the file that an address leads to */
function mainName(address: string): string {
  const path = pathPart(address);
  return checkInside(decodeURIComponent(path.slice(path.lastIndexOf('/') + 1)));
}

/** @returns the address of a file in the same folder, with the same query */
function siblingOf(address: string, main: string, file: string): string {
  if (file === main) return address;
  const path = pathPart(address);
  return path.slice(0, path.lastIndexOf('/') + 1) + encodeURI(file) + address.slice(path.length);
}

async function writeBody(disk: Disk, path: string, { body }: Response): Promise<void> {
  await disk.remove(path);
  try {
    await disk.write(path, 0, new Uint8Array(0));
    const reader = body?.getReader();
    let at = 0;
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      await disk.write(path, at, part.value);
      at += part.value.length;
    }
    await disk.sync(path);
  } catch (error) {
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

/** @returns a file as a response that reads it piece by piece */
async function respond(disk: Disk, path: string): Promise<Response> {
  const size = await sizeOf(disk, path);
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at));
      await disk.readInto(path, at, piece);
      at += piece.length;
      if (piece.length > 0) controller.enqueue(piece);
      if (at === size) controller.close();
    },
  });
  const headers = { 'content-length': `${size}`, 'content-type': 'application/octet-stream' };
  return new Response(body, { headers });
}
