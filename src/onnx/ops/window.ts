import { numberOf, numbersOf, textOf } from '../attributes.js';
import type { OnnxNode } from '../graph.js';

/** A pair of numbers for rows and columns. */
export type Pair = readonly [number, number];

/** The windows that an operator slides over images. */
export interface Window {
  readonly size: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  /** Pixels of padding by the node's own words; undefined if they follow from the image's size. */
  readonly pads: { readonly begin: Pair; readonly end: Pair } | undefined;
  /** Whether padding that follows from the size has its odd pixel at the beginning. */
  readonly isLower: boolean;
  /** Whether a last partial window counts. */
  readonly isCeil: boolean;
}

/**
 * Reads the attributes of a node with windows; along one dimension they become windows over images of one
 * row.
 *
 * @param size rows and columns of a window, or columns alone
 */
export function windowOf(node: OnnxNode, size: readonly number[]): Window {
  const rank = size.length;
  if (rank !== 1 && rank !== 2) throw new Error(`expected 1 or 2 spatial dimensions, got ${rank}`);
  const list = (name: string, otherwise: number): Pair =>
    pairOf(numbersOf(node, name) ?? [], otherwise, rank);
  const auto = textOf(node, 'auto_pad', 'NOTSET');
  const given = auto === 'VALID' ? [] : (numbersOf(node, 'pads') ?? []);
  if (given.some((pad) => pad < 0)) throw new Error(`expected padding of 0 or more, got [${given}]`);
  const pads = { begin: pairOf(given.slice(0, rank), 0, rank), end: pairOf(given.slice(rank), 0, rank) };
  return {
    size: pairOf(size, 1, rank),
    strides: list('strides', 1),
    dilations: list('dilations', 1),
    pads: auto.startsWith('SAME') ? undefined : pads,
    isLower: auto === 'SAME_LOWER',
    isCeil: numberOf(node, 'ceil_mode', 0) !== 0,
  };
}

function pairOf(list: readonly number[], otherwise: number, rank: number): Pair {
  const [first = otherwise, second = otherwise] = list;
  return rank === 1 ? [otherwise === 1 ? 1 : 0, first] : [first, second];
}

/** Windows along one axis of an image. */
export interface AxisWindows {
  /** Number of windows. */
  readonly count: number;
  /** Pixels of padding by the node's own words. */
  readonly begin: number;
  readonly end: number;
  /** Padding at the end that the last window reaches. */
  readonly reach: number;
}

/** @returns the windows along one axis of an image of `length` pixels */
export function windowsAlong(window: Window, axis: 0 | 1, length: number): AxisWindows {
  const { isCeil } = window;
  const [stride, extent] = [window.strides[axis], extentOf(window, axis)];
  const { begin, end } = padsOf(window, axis, length);
  const steps = (length + begin + end - extent) / stride;
  const most = (isCeil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  // A window must not start in the padding at the end.
  const count = isCeil && (most - 1) * stride >= length + begin ? most - 1 : most;
  if (count < 1) throw new Error(`expected images of at least ${extent - begin - end} pixels, got ${length}`);
  const reach = Math.max(end, (count - 1) * stride + extent - length - begin);
  return { count, begin, end, reach };
}

/** @returns pixels from a window's first to its last, both included */
export function extentOf({ size, dilations }: Window, axis: 0 | 1): number {
  return (size[axis] - 1) * dilations[axis] + 1;
}

function padsOf(window: Window, axis: 0 | 1, length: number): { begin: number; end: number } {
  if (window.pads) return { begin: window.pads.begin[axis], end: window.pads.end[axis] };
  const stride = window.strides[axis];
  const total = (Math.ceil(length / stride) - 1) * stride + extentOf(window, axis) - length;
  return splitPads(Math.max(0, total), window.isLower);
}

/** @returns padding at both ends; an odd pixel is at the end unless `isLower` */
export function splitPads(total: number, isLower: boolean): { begin: number; end: number } {
  const less = Math.floor(total / 2);
  return isLower ? { begin: total - less, end: less } : { begin: less, end: total - less };
}
