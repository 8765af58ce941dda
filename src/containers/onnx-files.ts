import { checkInside, type ModelFiles, NeuralDiffError } from '../model/index.js';
import { readExternal } from './onnx-tensor.js';
import { WireReader } from './wire.js';

/** Which messages the fields of a message hold, as far as tensors may lie in them. */
const MESSAGES = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
} as const satisfies Readonly<Record<string, Readonly<Record<number, string>>>>;

type Message = keyof typeof MESSAGES;

/** Messages within messages; a graph within a graph takes three. */
const MAX_DEPTH = 64;

/** A message in a file. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/**
 * Lists the files of external data that an ONNX model names: those of its initialisers, and of all else that may hold tensors, as
 * constants and functions do.
 *
 * @param files the folder that holds it
 * @param path the file's name in it
 * @returns paths in the folder, each once
 * @throws NeuralDiffError `bad-model`; `unsafe-path` for external data elsewhere
 */
export async function listOnnxFiles(files: ModelFiles, path: string): Promise<string[]> {
  const size = await files.size(path);
  const reader = new WireReader(files, path, size);
  const found = new Set<string>();
  const visit = async (message: Message, { start, end, depth }: Place): Promise<void> => {
    if (depth > MAX_DEPTH) throw bad(path);
    const inner: Readonly<Record<number, Message | 'tensor'>> = MESSAGES[message];
    for await (const field of reader.fields(start, end)) {
      const kind = field.wire === 2 ? inner[field.field] : undefined;
      if (kind === 'tensor') {
        const external = await readExternal(reader, field);
        if (external.size > 0) found.add(checkInside(external.get('location') ?? ''));
      } else if (kind) await visit(kind, { ...field, depth: depth + 1 });
    }
  };
  await visit('model', { start: 0, end: size, depth: 0 });
  return [...found];
}

function bad(path: string): NeuralDiffError {
  const message = `Cannot read "${path}" as ONNX: messages lie more than ${MAX_DEPTH} deep in each other`;
  return new NeuralDiffError('bad-model', message);
}
