/** What stands where a number is none. */
const DASH = '–';

const MAX_DECIMALS = 8;

/** A format for each number of decimals: they are slow to make. */
const FORMATS = Array.from(
  { length: MAX_DECIMALS + 1 },
  (_, decimals) =>
    new Intl.NumberFormat('en-GB', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
);

/** @returns a number with so many decimals, thousands apart, and a true minus sign: `2,988` */
export function formatNumber(value: number, decimals = 0): string {
  if (!Number.isFinite(value)) return DASH;
  const text = (FORMATS[decimals] as Intl.NumberFormat).format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** @returns `2,988 bytes` */
export function formatBytes(bytes: number): string {
  return `${formatNumber(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
}

/** @returns an accuracy or the like: `96.4 %` */
export function formatPercent(share: number): string {
  return Number.isFinite(share) ? `${formatNumber(100 * share, 1)} %` : DASH;
}

/** @returns a small share with two digits that count: `0.50 %`, `0.062 %`, `12 %` */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return DASH;
  const percent = Math.abs(100 * share);
  const decimals =
    percent === 0 || percent >= 10 ? 0 : Math.min(MAX_DECIMALS, 1 - Math.floor(Math.log10(percent)));
  return `${formatNumber(100 * share, decimals)} %`;
}

/** @returns how many times smaller something is: `201`, `3.4` */
export function formatTimes(times: number): string {
  return formatNumber(times, times < 10 ? 1 : 0);
}

/** @returns a difference of accuracies in points, without the word: `0.8` */
export function formatPointsNumber(difference: number): string {
  return formatNumber(100 * difference, 1);
}

/** @returns `0.8 points` */
export function formatPoints(difference: number): string {
  return `${formatPointsNumber(difference)} points`;
}

/** @returns `31 ms`, `1.24 s` */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return DASH;
  if (seconds >= 1) return `${formatNumber(seconds, 2)} s`;
  return `${formatNumber(1000 * seconds, seconds < 0.01 ? 1 : 0)} ms`;
}

/** What the value of a gate is. */
export type Unit = 'bytes' | 'share' | 'points' | 'seconds';

/** @returns what a gate limits, with a digit more than elsewhere, or so many: limits may be near what was found */
export function formatLimited(value: number, unit: Unit, decimals = 2): string {
  if (unit === 'bytes') return formatBytes(value);
  if (unit === 'seconds') return formatSeconds(value);
  return `${formatNumber(100 * value, decimals)} ${unit === 'points' ? 'points' : '%'}`;
}

/** @returns a value and its limit with as many digits as tell them apart, where any do */
export function formatBeside(value: number, limit: number, unit: Unit): [value: string, limit: string] {
  for (let decimals = 2; ; decimals++) {
    const texts = [value, limit].map((each) => formatLimited(each, unit, decimals)) as [string, string];
    if (texts[0] !== texts[1] || value === limit || decimals === MAX_DECIMALS) return texts;
  }
}
