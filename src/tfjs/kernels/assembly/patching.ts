import { patchHash as hash } from './patch-hash';
import { patchDense as dense, patchSparse as sparse } from './patch-levels';

export { patchBytes } from './patch-bytes';

/** Numbers of dtypes in payloads. */
const FLOAT32: i32 = 1, FLOAT16: i32 = 2, BFLOAT16: i32 = 3, INT8: i32 = 4, INT32: i32 = 6;

/** `patchHash` of a dtype. */
export function patchHash(
  dtype: i32,
  data: usize,
  count: u32,
  index: u32,
  skipped: u32,
  block: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  tableBytes: u32,
): void {
  if (dtype == FLOAT32) hash<f32>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
  else if (dtype == FLOAT16) hash<u16>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
  else if (dtype == BFLOAT16) hash<i16>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
  else if (dtype == INT32) hash<i32>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
  else if (dtype == INT8) hash<i8>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
  else hash<u8>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
}

/** `patchSparse` of a dtype. */
export function patchSparse(
  dtype: i32,
  data: usize,
  first: u32,
  positions: usize,
  levels: usize,
  count: u32,
  scale: f32,
): void {
  if (dtype == FLOAT32) sparse<f32>(data, first, positions, levels, count, scale);
  else if (dtype == FLOAT16) sparse<u16>(data, first, positions, levels, count, scale);
  else if (dtype == BFLOAT16) sparse<i16>(data, first, positions, levels, count, scale);
  else if (dtype == INT32) sparse<i32>(data, first, positions, levels, count, scale);
  else if (dtype == INT8) sparse<i8>(data, first, positions, levels, count, scale);
  else sparse<u8>(data, first, positions, levels, count, scale);
}

/** `patchDense` of a dtype. */
export function patchDense(dtype: i32, data: usize, levels: usize, count: u32, scale: f32): void {
  if (dtype == FLOAT32) dense<f32>(data, levels, count, scale);
  else if (dtype == FLOAT16) dense<u16>(data, levels, count, scale);
  else if (dtype == BFLOAT16) dense<i16>(data, levels, count, scale);
  else if (dtype == INT32) dense<i32>(data, levels, count, scale);
  else if (dtype == INT8) dense<i8>(data, levels, count, scale);
  else dense<u8>(data, levels, count, scale);
}
