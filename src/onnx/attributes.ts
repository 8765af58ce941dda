import type { OnnxNode } from './graph.js';

/** @returns a number among a node's attributes */
export function numberOf({ attributes }: OnnxNode, name: string, otherwise: number): number {
  const value = attributes.get(name) ?? otherwise;
  if (typeof value === 'number') return value;
  throw mismatch(name, 'a number');
}

/** @returns a list of numbers among a node's attributes; undefined without the attribute */
export function numbersOf({ attributes }: OnnxNode, name: string): readonly number[] | undefined {
  const value = attributes.get(name);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((each) => typeof each === 'number')) return value;
  throw mismatch(name, 'a list of numbers');
}

/** @returns a text among a node's attributes */
export function textOf({ attributes }: OnnxNode, name: string, otherwise: string): string {
  const value = attributes.get(name) ?? otherwise;
  if (typeof value === 'string') return value;
  throw mismatch(name, 'a text');
}

function mismatch(name: string, expected: string): Error {
  return new Error(`expected attribute "${name}" to be ${expected}`);
}
