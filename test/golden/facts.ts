import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DType, Model } from '../../src/model/tensor.js';

/** Hexadecimal digits, or those of the runs that are not zero, by offset. */
export type DescribedBytes = string | { length: number; runs: Record<string, string> };

/** A model as the facts next to a golden payload describe it. */
export interface DescribedModel {
  readonly fingerprint: string;
  readonly tensors: readonly { name: string; dtype: DType; shape: number[]; bytes: DescribedBytes }[];
}

const root = import.meta.dirname;

/** @returns the names of the payloads to be accepted, that make files, or to be refused */
export function goldenCases(group: 'accept' | 'files' | 'refuse'): string[] {
  return readdirSync(join(root, group)).sort();
}

/** @param folder group and name */
export function goldenPayload(folder: string): Uint8Array {
  return new Uint8Array(readFileSync(join(root, folder, 'payload.ndiff')));
}

/** @param folder group and name */
export function goldenFacts<T>(folder: string): T {
  return JSON.parse(readFileSync(join(root, folder, 'facts.json'), 'utf8')) as T;
}

/** @returns the model that the facts describe, with bytes of its own */
export function goldenModel({ tensors }: DescribedModel): Model {
  return { tensors: tensors.map(({ bytes, ...info }) => ({ ...info, bytes: goldenBytes(bytes) })) };
}

/** @returns the bytes that the facts describe */
export function goldenBytes(described: DescribedBytes): Uint8Array {
  if (typeof described === 'string') return new Uint8Array(Buffer.from(described, 'hex'));
  const bytes = new Uint8Array(described.length);
  for (const [at, run] of Object.entries(described.runs)) bytes.set(Buffer.from(run, 'hex'), Number(at));
  return bytes;
}
