/** Shown in place of a number that is not finite. */
const DASH = '–';

const MAX_DECIMALS = 8;

/** A formatter for each number of decimals, created once as that is slow. */
const FORMATS = Array.from(
  { length: MAX_DECIMALS + 1 },
  (_, decimals) =>
    new Intl.NumberFormat('en-GB', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
);

/** @returns a number with the given decimals, separated thousands and a true minus sign: `2,988` */
export function formatNumber(value: number, decimals = 0): string {
  if (!Number.isFinite(value)) return DASH;
  const text = (FORMATS[decimals] as Intl.NumberFormat).format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** @returns `2,988 bytes` */
export function formatBytes(bytes: number): string {
  return `${formatNumber(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
}

/** @returns a share such as an accuracy: `96.4 %` */
export function formatPercent(share: number): string {
  return Number.isFinite(share) ? `${formatNumber(100 * share, 1)} %` : DASH;
}

/** @returns a small share with two significant digits: `0.50 %`, `0.062 %`, `12 %` */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return DASH;
  const percent = Math.abs(100 * share);
  const decimals =
    percent === 0 || percent >= 10 ? 0 : Math.min(MAX_DECIMALS, 1 - Math.floor(Math.log10(percent)));
  return `${formatNumber(100 * share, decimals)} %`;
}

/** @returns a number with three significant digits: `0.0213` */
export function formatSmall(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (value === 0) return '0';
  const decimals = Math.max(0, Math.min(MAX_DECIMALS, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return formatNumber(value, decimals);
}

/** @returns a ratio: `201`, `3.4` */
export function formatTimes(times: number): string {
  return formatNumber(times, times < 10 ? 1 : 0);
}

/** @returns a difference of accuracies in points, without the unit: `0.8` */
export function formatPointsNumber(difference: number): string {
  return formatNumber(100 * difference, 1);
}

/** @returns `0.8 points` */
export function formatPoints(difference: number): string {
  return `${formatPointsNumber(difference)} points`;
}

/** @returns a difference in points with its sign: `+0.3`, `−0.1`, `0.0` */
export function formatSigned(difference: number): string {
  const text = formatPointsNumber(difference);
  return difference > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/**
 * Describes how far a payload is behind a model, by its measured value.
 *
 * @param gap fraction of 1; below 0 if the payload is better
 * @returns `0.3 points behind …`, `0.1 points better than …`, `no difference from … measured`
 */
export function describeGap(gap: number, reference = 'the full fine-tune'): string {
  const size = formatPoints(Math.abs(gap));
  if (!/[1-9]/.test(size)) return `no difference from ${reference} measured`;
  return gap > 0 ? `${size} behind ${reference}` : `${size} better than ${reference}`;
}

/** @returns the interval of a gap: `0.2 to 1.3 points behind`, `0.4 points better to 1.0 points behind` */
export function describeInterval({ low, high }: { low: number; high: number }): string {
  const [least, most] = [low, high].map((end) => formatPointsNumber(Math.abs(end)));
  if (low >= 0) return `${least} to ${most} points behind`;
  if (high <= 0) return `${most} to ${least} points better`;
  return `${least} points better to ${most} points behind`;
}

/** @returns a signed difference in points with its 95 % interval: `+0.3 (−0.4 to +1.0)` */
export function formatGap({ value, low, high }: { value: number; low: number; high: number }): string {
  return `${formatSigned(value)} (${formatSigned(low)} to ${formatSigned(high)})`;
}

/** @returns `31 ms`, `1.24 s` */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return DASH;
  if (seconds >= 1) return `${formatNumber(seconds, 2)} s`;
  return `${formatNumber(1000 * seconds, seconds < 0.01 ? 1 : 0)} ms`;
}

/** Unit of a gate's value. */
export type Unit = 'bytes' | 'share' | 'points' | 'seconds';

/** @returns a limited value, with more digits than elsewhere, as limits may be close to measured values */
export function formatLimited(value: number, unit: Unit, decimals = 2): string {
  if (unit === 'bytes') return formatBytes(value);
  if (unit === 'seconds') return formatSeconds(value);
  return `${formatNumber(100 * value, decimals)} ${unit === 'points' ? 'points' : '%'}`;
}

/** @returns a value and its limit, with enough digits to tell them apart if possible */
export function formatPair(value: number, limit: number, unit: Unit): [value: string, limit: string] {
  for (let decimals = 2; ; decimals++) {
    const texts = [value, limit].map((each) => formatLimited(each, unit, decimals)) as [string, string];
    if (texts[0] !== texts[1] || value === limit || decimals === MAX_DECIMALS) return texts;
  }
}
