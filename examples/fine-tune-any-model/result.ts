/** One diff, from payload to patched device. Shares and accuracies are fractions of 1. */
export interface DiffRow {
  readonly kind: 'sparse' | 'hash';
  readonly payloadBytes: number;
  /** Of the float32 model. */
  readonly share: number;
  /** Of the model folder that the device patched. */
  readonly accuracy: number;
  /** To the full fine-tune. */
  readonly gap: number;
  /** Whether the device's weights carry the fingerprint that the trainer measured. */
  readonly bitExact: boolean;
}

/** What the demo prints with `--json`. */
export interface DemoResult {
  /** Pictures of the update. */
  readonly pictures: { readonly train: number; readonly test: number };
  readonly base: { readonly parameters: number; readonly bytes: number; readonly accuracy: number };
  readonly full: { readonly accuracy: number };
  readonly diffs: readonly DiffRow[];
}

/** @returns the result as a table for people */
export function formatResult({ base, full, diffs, pictures }: DemoResult): string {
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
  const widthOf = (column: number) => Math.max(...rows.map((row) => (row[column] as string).length));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widthOf(column)))
      .join('  ')
      .trimEnd(),
  );
  const head = `${base.parameters} weights; ${pictures.train} pictures to learn from, ${pictures.test} to test on`;
  return `\n${head}\n\n${lines.join('\n')}\n`;
}

function percent(accuracy: number): string {
  return `${(100 * accuracy).toFixed(1)} %`;
}
