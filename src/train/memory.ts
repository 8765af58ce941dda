import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { dropTape, WASM_MEMORY_BYTES } from '../tfjs/memory.js';
import type { NamedWeight } from '../tfjs/weights.js';

/** What a training run keeps on the backend. */
export interface MemoryNeeds {
  /** All weights of the model. */
  readonly weights: readonly NamedWeight[];
  readonly trained: readonly NamedWeight[];
  /** Numbers per trained weight: base, gradient, moments of the optimiser. */
  readonly perWeight: number;
  /** Numbers besides: what is trained in place of the weights, and what the optimiser keeps of it. */
  readonly others?: number;
}

/**
 * Refuses a training run whose weights, and what is kept for them, exceed the memory of the wasm backend;
 * other backends have no known limit. Activations come on top: a step that they do not fit in fails.
 *
 * @throws NeuralDiffError `no-memory`
 */
export function checkMemory({ weights, trained, perWeight, others = 0 }: MemoryNeeds): void {
  const [all, changed] = [countOf(weights), countOf(trained)];
  const bytesNeeded = 4 * (all + perWeight * changed + others);
  if (tf.getBackend() !== 'wasm' || bytesNeeded <= WASM_MEMORY_BYTES) return;
  const most = Math.floor((WASM_MEMORY_BYTES / 4 - all - others) / perWeight);
  const message = `Cannot train ${changed} weights: they need ${bytesNeeded} bytes, and activations come on top, but the wasm backend has at most ${WASM_MEMORY_BYTES}; train fewer than ${most} weights ("only", "freeze")`;
  throw new NeuralDiffError('no-memory', message, { facts: { bytesNeeded, limit: WASM_MEMORY_BYTES } });
}

function countOf(weights: readonly NamedWeight[]): number {
  return weights.reduce((sum, { variable }) => sum + variable.size, 0);
}

/** What may fail for want of memory. */
interface Attempt {
  /** Follows "Cannot". */
  readonly name: string;
  /** How it would take less. */
  readonly instead: string;
}

/**
 * Runs steps of training, or a measurement. After a failure, frees what they left on the backend.
 *
 * @throws NeuralDiffError `no-memory` if an allocation failed
 */
export async function explainingMemory<T>(attempt: Attempt, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    dropTape();
    throw isAllocationFailure(error) ? doesNotFit(attempt, error) : error;
  }
}

/** Failures of JavaScript's own arrays, and of kernels that were given memory that does not exist. */
const FAILURES = /array length|array buffer allocation|memory access out of bounds/i;

function isAllocationFailure(error: unknown): error is Error {
  if (error instanceof NeuralDiffError) return error.code === 'no-memory';
  const isOfEngine = error instanceof RangeError || error instanceof WebAssembly.RuntimeError;
  return isOfEngine && FAILURES.test(error.message);
}

function doesNotFit({ name, instead }: Attempt, cause: Error): NeuralDiffError {
  const { bytesNeeded }: NeuralDiffError['facts'] = cause instanceof NeuralDiffError ? cause.facts : {};
  const limit = tf.getBackend() === 'wasm' ? WASM_MEMORY_BYTES : undefined;
  const message = `Cannot ${name}: ${cause.message}; ${instead}`;
  return new NeuralDiffError('no-memory', message, { cause, facts: { bytesNeeded, limit } });
}
