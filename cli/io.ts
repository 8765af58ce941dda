import type { ApplyPlan } from '../src/apply/plan.js';
import { printable, printableJson } from '../src/model/printable.js';
import type { CommonFlags } from './command.js';

/** What a command uses of its process: where it writes, how it is stopped, what time it is. */
export interface Io {
  /** Data: what scripts read. */
  out(data: string | Uint8Array): void;
  /** Remarks and progress: what people read. */
  err(text: string): void;
  /** Whether progress may redraw its line. */
  readonly isTerminal: boolean;
  /** Width of the terminal, if it has told. */
  readonly columns?: number | undefined;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Milliseconds from some fixed point. */
  now(): number;
}

/** Clears the line of a terminal. */
export const CLEAR = '\r\u001b[2K';

/** Ends a line of progress, which has no end of its own, before anything else is written. */
export function endingLines(io: Io): Io {
  let isOpen = false;
  const end = (): void => {
    if (isOpen) io.err('\n');
    isOpen = false;
  };
  return {
    ...io,
    get columns() {
      return io.columns;
    },
    out(data) {
      end();
      io.out(data);
    },
    err(text) {
      if (!/^[\r\n]/.test(text)) end();
      io.err(text);
      isOpen = io.isTerminal && !text.endsWith('\n') && !text.endsWith(CLEAR);
    },
  };
}

/**
 * Prints a command's result: one JSON document, or lines for people. Unseen characters are escaped in both.
 *
 * @param result what `--json` prints
 * @param lines what is printed otherwise
 */
export function printResult(
  io: Io,
  flags: CommonFlags,
  result: { json: unknown; lines: readonly string[] },
): void {
  io.out(`${flags.json ? printableJson(result.json) : result.lines.map(printable).join('\n')}\n`);
}

/** Prints a remark for people, unless they asked for quiet. */
export function remark(io: Io, flags: CommonFlags, text: string): void {
  if (!flags.quiet) io.err(`${printable(text)}\n`);
}

/** @returns a count and its noun: `1 release`, `2 releases` */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** @returns bytes for people: `812 B`, `5.4 kB`, `1.2 MB` (decimal units) */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @returns a share as a percentage with enough digits to distinguish small payloads */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
}

/** @returns seconds for people: `8 s`, `3 min 20 s` */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** @returns the cells of each line in columns as wide as their widest cell, aligned to the right */
export function alignColumns(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  return lines.map((line) => line.map((cell, i) => cell.padStart(widths[i] as number)).join('  '));
}

/** Thrown when Ctrl-C stops a command that has kept something; its message says what. */
export class Interrupted extends Error {
  override readonly name = 'AbortError';
}

/** Prints which file a command wrote, or would have written. */
export function remarkWritten(
  io: Io,
  flags: CommonFlags & { readonly dryRun: boolean },
  { out, bytes }: { out: string; bytes: number },
): void {
  remark(io, flags, `${flags.dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(bytes)}`);
}

/** @returns lines that describe what a payload does to a model */
export function describePlan(plan: ApplyPlan): string[] {
  if (plan.status === 'current') return [`already current: the model is ${plan.next}`];
  const { base, next, tensors, bytesWritten, modelBytes, files } = plan;
  const fits = [`fits: the model is ${base}`, `result: ${next}`];
  if (files) return [...fits, ...files.made.map((made) => `makes ${made.path}: ${formatBytes(made.bytes)}`)];
  return [
    ...fits,
    `changes ${countOf(tensors.length, 'tensor')}, writes ${formatBytes(bytesWritten)} of ${formatBytes(modelBytes)}`,
  ];
}
