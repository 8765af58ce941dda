import { alignColumns, percent } from './table.js';

/** One diff, from payload to patched model. Shares and accuracies are fractions of 1. */
export interface DiffRow {
  readonly kind: 'sparse' | 'hash';
  readonly payloadBytes: number;
  /** Of the float32 model. */
  readonly share: number;
  /** Of the model folder that the payload was applied to. */
  readonly accuracy: number;
  /** To the full fine-tune. */
  readonly gap: number;
  /** Whether the patched weights carry the fingerprint that the trainer measured. */
  readonly bitExact: boolean;
}

/** A base model, its full fine-tune and diffs in the place of that. */
export interface DiffComparison {
  readonly base: { readonly parameters: number; readonly bytes: number; readonly accuracy: number };
  readonly full: { readonly accuracy: number };
  readonly diffs: readonly DiffRow[];
}

/**
 * Lays a comparison out for people.
 *
 * @param facts what stands above the table after the number of weights
 * @param more cells to the right of each row, the head's first
 */
export function formatComparison(
  comparison: DiffComparison,
  facts: string,
  more: readonly (readonly string[])[] = [],
): string {
  const { base, full, diffs } = comparison;
  const rows = [
    ['', 'bytes', 'share', 'accuracy', 'gap', 'bit exact'],
    ['base', `${base.bytes}`, '', percent(base.accuracy), '', ''],
    ['full fine-tune', `${base.bytes}`, '100 %', percent(full.accuracy), '', ''],
    ...diffs.map((diff) => [
      `${diff.kind} diff`,
      `${diff.payloadBytes}`,
      `${(100 * diff.share).toFixed(2)} %`,
      percent(diff.accuracy),
      `${(100 * diff.gap).toFixed(1)} points`,
      diff.bitExact ? 'yes' : 'NO',
    ]),
  ];
  const table = alignColumns(rows.map((row, i) => [...row, ...(more[i] ?? [])]));
  return `\n${base.parameters} weights; ${facts}\n\n${table}\n`;
}
