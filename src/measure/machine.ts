import { cpus, totalmem } from 'node:os';
import type { Machine } from '../report/index.js';

/** @returns the machine that this runs on */
export function describeMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    node: process.version,
    memoryBytes: totalmem(),
  };
}
