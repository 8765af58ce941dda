import { elementCount, type TensorInfo } from './tensor.js';

/**
 * Ways in which a device stores a float32 tensor, finest first. Integers are symmetric about 0, from −127 to
 * 127 or −7 to 7, with a scale for each index of the last dimension or, in `int8-tensor`, one for all.
 */
export const GRID_NAMES = [
  'float32',
  'float16',
  'bfloat16',
  'int8-channels',
  'int8-tensor',
  'int4-channels',
] as const;

export type GridName = (typeof GRID_NAMES)[number];

/** Properties of a grid of integers. */
export interface IntegerGrid {
  /** The integer that the largest weight becomes. */
  readonly largest: number;
  readonly bits: number;
  readonly scales: 'channels' | 'tensor';
}

/** The grids of integers. */
export const INTEGER_GRIDS: Readonly<Record<string, IntegerGrid>> = {
  'int8-channels': { largest: 127, bits: 8, scales: 'channels' },
  'int8-tensor': { largest: 127, bits: 8, scales: 'tensor' },
  'int4-channels': { largest: 7, bits: 4, scales: 'channels' },
};

/** Whether this package stores tensors on a grid: of integers of 4 bits it only patches blocks, as bytes. */
export function isStorable(grid: GridName): boolean {
  return grid !== 'int4-channels';
}

/**
 * @returns the grids coarser than float32 that save bytes; biases and norms (at most one dimension) have none
 *   of integers, as devices add them in floats
 */
export function gridsFor(info: TensorInfo): GridName[] {
  const isMatrix = info.shape.length > 1;
  return GRID_NAMES.filter((grid) => {
    if (grid in INTEGER_GRIDS && !isMatrix) return false;
    // With one channel it is the same as a scale a channel.
    if (grid === 'int8-tensor' && info.shape.at(-1) === 1) return false;
    return bytesOnGrid(info, grid) < bytesOnGrid(info, 'float32');
  });
}

/** @returns bytes of a tensor on a grid, those of its scales among them */
export function bytesOnGrid(info: TensorInfo, grid: GridName): number {
  const integers = INTEGER_GRIDS[grid];
  if (integers === undefined) return elementCount(info) * (grid === 'float32' ? 4 : 2);
  return Math.ceil((elementCount(info) * integers.bits) / 8) + 4 * channelsOf(info, integers);
}

/** @returns how many scales a tensor has on a grid of integers */
export function channelsOf({ shape }: TensorInfo, { scales }: IntegerGrid): number {
  return scales === 'channels' ? (shape.at(-1) ?? 1) : 1;
}
