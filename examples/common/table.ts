/** @returns rows of cells as lines of text, every column as wide as its widest cell */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] as string[]).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] as string).length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** @returns a fraction of 1 as a percentage with one decimal */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}
