import type { Estimate } from '../report/index.js';

/** Keeps a number and its unit on one line. */
const SPACE = '\u00a0';

/** What stands where nothing was measured. */
export const DASH = '–';

const MAX_DECIMALS = 8;

/** A format for each number of decimals: they are slow to make. */
const FORMATS = Array.from(
  { length: MAX_DECIMALS + 1 },
  (_, decimals) =>
    new Intl.NumberFormat('en-GB', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
);

/** @returns a number with so many decimals, thousands apart, and a true minus sign */
export function formatNumber(value: number, decimals = 0): string {
  if (!Number.isFinite(value)) return DASH;
  const text = (FORMATS[decimals] as Intl.NumberFormat).format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** @returns `2,988 bytes` */
export function formatBytes(bytes: number): string {
  return `${formatNumber(bytes)}${SPACE}${bytes === 1 ? 'byte' : 'bytes'}`;
}

/** @returns memory in rounder numbers: `12.8 MB` */
export function formatMemory(bytes: number): string {
  if (bytes >= 1e9) return `${formatNumber(bytes / 1e9, 1)}${SPACE}GB`;
  return bytes >= 1e6
    ? `${formatNumber(bytes / 1e6, 1)}${SPACE}MB`
    : `${formatNumber(bytes / 1e3, 1)}${SPACE}kB`;
}

/** @returns an accuracy or the like: `96.4 %` */
export function formatPercent(share: number): string {
  return Number.isFinite(share) ? `${formatNumber(100 * share, 1)}${SPACE}%` : DASH;
}

/** @returns a small share with two digits that count: `0.50 %`, `0.062 %`, `12 %` */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return DASH;
  const percent = Math.abs(100 * share);
  const decimals =
    percent === 0 || percent >= 10 ? 0 : Math.min(MAX_DECIMALS, 1 - Math.floor(Math.log10(percent)));
  return `${formatNumber(100 * share, decimals)}${SPACE}%`;
}

/** @returns a difference of accuracies in points, without the word: `0.8` */
export function formatPointsNumber(difference: number): string {
  return formatNumber(100 * difference, 1);
}

/** @returns `0.8 points` */
export function formatPoints(difference: number): string {
  return `${formatPointsNumber(difference)}${SPACE}points`;
}

/** @returns how often a share fits into the whole: `201` */
export function formatTimes(share: number): string {
  const times = 1 / share;
  return formatNumber(times, times < 10 ? 1 : 0);
}

/** @returns `31 ms`, `1.24 s` */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return DASH;
  if (seconds >= 1) return `${formatNumber(seconds, 2)}${SPACE}s`;
  return `${formatNumber(1000 * seconds, seconds < 0.01 ? 1 : 0)}${SPACE}ms`;
}

/** @returns a number of no unit with three digits that count: `0.0213` */
export function formatSmall(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (value === 0) return '0';
  const decimals = Math.max(0, Math.min(MAX_DECIMALS, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return formatNumber(value, decimals);
}

/** @returns flips as they are counted, or as a share of the examples */
export function formatFlips(value: number): string {
  return Number.isInteger(value) ? formatNumber(value) : formatShare(value);
}

/** @returns the ends of an interval of accuracies: `95.5 to 97.2` */
export function formatInterval({ low, high }: Estimate): string {
  return `${formatPointsNumber(low)} to ${formatPointsNumber(high)}`;
}

/** @returns the accuracy of a model in words for hovering: `96.4 % (95.5 to 97.2)` */
export function formatEstimate(estimate: Estimate): string {
  return `${formatPercent(estimate.value)} (${formatInterval(estimate)})`;
}
