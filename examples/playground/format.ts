/** @returns bytes for people */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, 'kB'] : [bytes / 1e6, 'MB'];
  return `${value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en')} ${unit}`;
}

/** @returns a share of a whole for people */
export function percentText(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  if (percent === 0 || percent === 100) return `${percent} %`;
  if (percent < 0.01) return '< 0.01 %';
  return `${percent < 10 ? percent.toPrecision(2) : percent.toFixed(1)} %`;
}

export const numberText = (value: number): string => value.toLocaleString('en');
