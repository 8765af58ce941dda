import { type Extent, NeuralDiffError, type PlacedTensor } from '../model/index.js';

/** Bytes of a tensor, or of a file's structure, which has no name. */
interface Taken extends Extent {
  readonly name?: string;
  readonly isReadOnly?: boolean | undefined;
}

/** What was met in a file so far. */
interface Met {
  /** Where the last tensor ends, and the last one that can be written; and the structure. */
  readonly tensor: number;
  readonly written: Taken | undefined;
  readonly structure: number;
}

const NOTHING: Met = { tensor: 0, written: undefined, structure: 0 };

/**
 * Bytes that two tensors share would change with both; a tensor that is written over a file's structure would destroy the file.
 *
 * @param structure bytes that say what the file holds, as far as they are known; they may overlap each other
 * @throws NeuralDiffError `bad-model` where tensors overlap in a file, or what can be written of them and the structure
 */
export function checkApart(tensors: readonly PlacedTensor[], structure: readonly Extent[] = []): void {
  const placed = tensors.flatMap(({ name, extents, isReadOnly }) =>
    extents.map((extent): Taken => ({ name, isReadOnly, ...extent })),
  );
  const taken = [...placed, ...structure].sort((a, b) => a.offset - b.offset || a.length - b.length);
  const files = new Map<string, Met>();
  for (const each of taken) files.set(each.path, meet(files.get(each.path) ?? NOTHING, each));
}

function meet(met: Met, each: Taken): Met {
  const { name, isReadOnly = false, offset, length } = each;
  const end = offset + length;
  if (name === undefined) {
    if (offset < endOf(met.written)) throw overlaps(met.written as Taken, "the file's own structure");
    return { ...met, structure: Math.max(met.structure, end) };
  }
  if (offset < met.tensor) throw overlaps(each, 'another');
  if (!isReadOnly && offset < met.structure) throw overlaps(each, "the file's own structure");
  return { ...met, tensor: end, written: isReadOnly ? met.written : each };
}

function endOf(taken: Taken | undefined): number {
  return taken === undefined ? 0 : taken.offset + taken.length;
}

function overlaps({ path, name }: Taken, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}": tensor "${name}" overlaps ${what}`);
}
