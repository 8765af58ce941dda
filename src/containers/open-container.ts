import { NeuralDiffError } from '../model/errors.js';
import { LAYERS_FILE, openPlacedLayers, readLayersJson } from '../model/layers-store.js';
import { type ModelFiles, recordPaths } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore } from '../model/placed-store.js';
import type { Outside, WeightStore } from '../model/store.js';
import { checkTensorInfos } from '../model/tensor.js';
import { decodeLatin1 } from '../model/text.js';
import { checkNotLinked } from './file-window.js';
import { openGgufStore } from './gguf.js';
import { isHdf5 } from './hdf5/file.js';
import { openHdf5Store } from './hdf5/hdf5.js';
import { openArchive, readArchiveOutside } from './keras.js';
import { isNpy, openNpyStore } from './npy.js';
import { listOnnxFiles, openOnnxStore } from './onnx.js';
import { digestGaps, digestJson, partsOf } from './outside.js';
import {
  openSafetensorsIndex,
  openSafetensorsStore,
  readIndexOutside,
  readSafetensorsOutside,
} from './safetensors.js';
import { parseStrictJson } from './strict-json.js';
import { isTflite, openTfliteStore } from './tflite.js';

/** Bytes at a file's start that identify its format. */
const HEAD_BYTES = 16;

const OPEN_BRACE = 0x7b;

/** Fields that the error for other JSON names, and letters of each. */
const MOST_NAMED_FIELDS = 4;
const MOST_KEY_LETTERS = 40;

/**
 * Tags of the fields that may follow the version of an ONNX model: producer, domain, documentation, graph,
 * operators.
 */
const ONNX_FIELDS = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];

/** A file format of models. */
interface Format {
  /** Name of the format in `Outside`. */
  readonly name: string;
  /** Whether a file starts like one of the format. */
  matches(head: Uint8Array, path: string): boolean;
  open(files: ModelFiles, path: string): Promise<PlacedStore>;
  /** Reads what the files hold besides tensors; defaults to the bytes of the file between them. */
  outside?(files: ModelFiles, path: string, store: PlacedStore): Promise<Omit<Outside, 'format'>>;
  /** Lists the files that a model file refers to; defaults to none. */
  listExternal?(files: ModelFiles, path: string): Promise<string[]>;
}

const FORMATS: readonly Format[] = [
  {
    name: 'safetensors',
    // A 64-bit header length below 2^48, then a JSON object.
    matches: (head) => head[6] === 0 && head[7] === 0 && head[8] === OPEN_BRACE,
    open: openSafetensorsStore,
    outside: readSafetensorsOutside,
  },
  { name: 'gguf', matches: (head) => startsWith(head, 'GGUF'), open: openGgufStore },
  { name: 'tflite', matches: isTflite, open: openTfliteStore },
  { name: 'hdf5', matches: isHdf5, open: openHdf5Store },
  { name: 'npy', matches: isNpy, open: openNpyStore },
  {
    name: 'zip',
    matches: (head) => startsWith(head, 'PK'),
    open: openArchive,
    outside: readArchiveOutside,
  },
  {
    name: 'onnx',
    matches: (head, path) => isOnnx(head) || path.endsWith('.onnx'),
    open: openOnnxStore,
    listExternal: listOnnxFiles,
  },
];

/** A format of JSON files, recognised by a field of the object. */
type JsonFormat = Omit<Format, 'matches'> & { readonly field: string };

const TFJS: JsonFormat = {
  name: 'tfjs',
  field: 'weightsManifest',
  open: openLayers,
  outside: readLayersOutside,
};

const JSON_FORMATS: readonly JsonFormat[] = [
  TFJS,
  {
    name: 'safetensors-index',
    field: 'weight_map',
    open: openSafetensorsIndex,
    outside: readIndexOutside,
  },
];

/**
 * Opens a model file in the format that its content indicates.
 *
 * Formats: safetensors, an index of safetensors, ONNX, TFLite, GGUF, HDF5, a Keras archive, a NumPy array or
 * archive, the `model.json` of a LayersModel or GraphModel by any name.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @returns the store; `outside` tells what the file holds besides tensors
 * @throws NeuralDiffError `bad-model` for other formats; `empty-model` for a file without tensors; errors of
 *   the format's reader
 */
export async function openContainer(files: ModelFiles, path: string): Promise<WeightStore> {
  const { name, open, outside = readGaps } = await findFormat(files, path);
  const recorded = recordPaths(files);
  const store = await open(recorded.files, path);
  const paths = [...new Set([path, ...recorded.paths])];
  return {
    ...store,
    outside: async () => ({ format: name, ...(await outside(files, path, store)) }),
    parts: async () => partsOf(files, paths, store.placed),
  };
}

async function readGaps(
  files: ModelFiles,
  path: string,
  { placed }: PlacedStore,
): Promise<Omit<Outside, 'format'>> {
  return digestGaps(files, { path, start: 0, end: await files.size(path) }, placed);
}

/** Opens a LayersModel folder, and refuses more than `openLayersStore`: keys that occur twice, and links. */
async function openLayers(files: ModelFiles, main: string): Promise<PlacedStore> {
  const store = await openPlacedLayers(files, main);
  parseStrictJson(await readLayersJson(files, main), main);
  const shards = store.placed.flatMap(({ extents }) => extents.map(({ path }) => path));
  await checkNotLinked(files, main, shards);
  return store;
}

/** Everything of a `model.json` but the weights manifest. */
async function readLayersOutside(files: ModelFiles, path: string): Promise<Omit<Outside, 'format'>> {
  const json = parseStrictJson(await readLayersJson(files, path), path);
  const { weightsManifest: _, ...rest } = json as Record<string, unknown>;
  return { bytes: await files.size(path), digest: await digestJson(rest, path) };
}

/**
 * Lists the other files that contain a part of a model: external data of ONNX.
 *
 * A `model.json` and an index of safetensors own their whole folder; nothing is listed for them.
 *
 * @param files the folder that contains the file
 * @param path the file's path in the folder
 * @returns distinct paths of existing files in the folder
 * @throws NeuralDiffError as `openContainer`
 */
export async function listExternalFiles(files: ModelFiles, path: string): Promise<string[]> {
  const found = (await (await findFormat(files, path)).listExternal?.(files, path)) ?? [];
  for (const each of found) await files.size(each);
  return found;
}

/**
 * Recognises the format of a model file by its content.
 *
 * @param files the folder that contains the file
 * @param path the file's path in the folder
 * @returns the format's name as `outside` of a store tells it: `tfjs` or `onnx`, for example
 * @throws NeuralDiffError `bad-model` for none of the formats
 */
export async function formatOf(files: ModelFiles, path: string): Promise<string> {
  return (await findFormat(files, path)).name;
}

async function findFormat(files: ModelFiles, path: string): Promise<Omit<Format, 'matches'>> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, await files.size(path)));
  await files.readInto(path, 0, head);
  const format = FORMATS.find(({ matches }) => matches(head, path));
  if (format !== undefined) return format;
  if (isJson(head)) return path === LAYERS_FILE ? TFJS : findJsonFormat(files, path);
  throw new NeuralDiffError(
    'bad-model',
    `Cannot open model "${path}": expected safetensors, their index, ONNX, TFLite, GGUF, Keras, HDF5, NumPy, or the model.json of TensorFlow.js`,
  );
}

/** Recognises a format of JSON by a field that no other has. */
async function findJsonFormat(files: ModelFiles, path: string): Promise<JsonFormat> {
  const json = parseStrictJson(await readLayersJson(files, path), path) as object;
  const format = JSON_FORMATS.find(({ field }) => Object.hasOwn(json, field));
  if (format !== undefined) return format;
  const keys = Object.keys(json).slice(0, MOST_NAMED_FIELDS);
  const found = keys.map((key) => `"${key.slice(0, MOST_KEY_LETTERS)}"`).join(', ');
  throw new NeuralDiffError(
    'bad-model',
    `Cannot open model "${path}": expected JSON with "weightsManifest" (TensorFlow.js) or "weight_map" (an index of safetensors), got ${found || 'no fields'}`,
  );
}

/**
 * Lists the files of a folder that contain the weights manifest of a TensorFlow.js model, whatever they are
 * named.
 *
 * @param paths files in the folder
 * @returns those that contain one; files that are no model, or cannot be read, are left out
 */
export async function listLayersFiles(files: ModelFiles, paths: Iterable<string>): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const isLayers = await formatOf(files, path).then(
      (format) => format === TFJS.name,
      (error: unknown) => {
        if (error instanceof NeuralDiffError) return false;
        throw error;
      },
    );
    if (isLayers) found.push(path);
  }
  return found;
}

function startsWith(head: Uint8Array, letters: string): boolean {
  return decodeLatin1(head).startsWith(letters);
}

/** @returns whether the file starts with a small version number, then another field of an ONNX model */
function isOnnx(head: Uint8Array): boolean {
  const [first, version = 0, second = 0] = head;
  return first === 0x08 && version > 0 && version < 0x80 && ONNX_FIELDS.includes(second);
}

/** @returns whether an object of JSON starts, after a byte order mark where there is one */
function isJson(head: Uint8Array): boolean {
  return /^(\xef\xbb\xbf)?\s*\{/.test(String.fromCharCode(...head));
}

/** Name of the only tensor of a file that is opened as bytes. */
const NAME = 'bytes';

/** Files up to this size are coded as structure, which finds what moved; larger ones as a tensor. */
const SMALL_BYTES = 2 ** 22;

/**
 * Opens any file as a model of one tensor, `bytes`, of uint8.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `empty-model` for an empty file, `bad-model` for one of 4 GiB or more
 */
export async function openBytes(files: ModelFiles, path: string): Promise<WeightStore> {
  const length = await files.size(path);
  const tensors = [
    { name: NAME, dtype: 'uint8', shape: [length], extents: [{ path, offset: 0, length }] } as const,
  ];
  checkTensorInfos(tensors);
  const store = openPlacedStore(files, tensors);
  return { ...store, parts: async () => partsOf(files, [path], length > SMALL_BYTES ? tensors : []) };
}

/**
 * @returns whether a file has a known format for sure; such a file may be damaged. Other files too begin with
 *   the first three bytes of ONNX
 */
async function isKnown(files: ModelFiles, path: string): Promise<boolean> {
  return formatOf(files, path).then(
    (format) => format !== 'onnx' || path.endsWith('.onnx'),
    () => false,
  );
}

/** Codes of files that are no model, or hold weights in a form that is not read. */
const NO_CONTAINER: readonly unknown[] = ['bad-model', 'unsupported-model', 'empty-model'];

/**
 * Opens a model file in its format, and a file in no known format, or whose weights cannot be read, as bytes.
 *
 * @returns the store, and why the file was opened as bytes
 * @throws NeuralDiffError `bad-model` for a damaged model; as `openBytes`; errors of reading
 */
export async function openAnyFile(
  files: ModelFiles,
  path: string,
): Promise<{ store: WeightStore; problem?: NeuralDiffError }> {
  try {
    return { store: await openContainer(files, path) };
  } catch (error) {
    if (!(error instanceof NeuralDiffError) || !NO_CONTAINER.includes(error.code)) throw error;
    if (error.code === 'bad-model' && (await isKnown(files, path))) throw error;
    return { store: await openBytes(files, path), problem: error };
  }
}
