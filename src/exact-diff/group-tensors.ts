import { byteLength } from '../model/index.js';
import type { ChangedTensor } from './lane.js';

/** Bytes of tensors that are coded together: what a record learns is short beside them. */
const GROUP_BYTES = 2 ** 25;

/** Groups at most, about: each takes up to two of a payload's 256 records. */
const MOST_GROUPS = 100;

/**
 * Cuts a model into parts that may be coded side by side. They depend on the tensors that changed alone, so that payloads do not
 * depend on how many threads there are.
 *
 * @param changed in canonical order
 * @returns tensors that follow one another
 */
export function groupTensors(changed: readonly ChangedTensor[]): ChangedTensor[][] {
  const total = changed.reduce((sum, { info }) => sum + byteLength(info), 0);
  const least = Math.max(GROUP_BYTES, total / MOST_GROUPS);
  const groups: ChangedTensor[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const tensor of changed) {
    if (bytes >= least) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(tensor);
    bytes += byteLength(tensor.info);
  }
  return groups;
}
