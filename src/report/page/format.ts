import { printable } from '../../model/printable.js';
import type { Estimate } from '../interval.js';
import type { Unit } from '../words.js';
import * as words from '../words.js';

/** Shown if nothing was measured. */
export const DASH = '–';

export const { formatNumber, formatPointsNumber, formatSigned, formatSmall } = words;

/** Keeps a number and its unit on one line. */
const tie = (text: string): string => text.replaceAll(' ', '\u00a0');

/** Keeps the numbers of a text and their percent signs, milliseconds and FLOPs on one line. */
export const tieShares = (text: string): string =>
  text.replaceAll(/(\d) (?=%|ms\b|[kMGTP]?FLOP\b)/g, '$1\u00a0');

/** @returns `2,988 bytes` */
export const formatBytes = (bytes: number): string => tie(words.formatBytes(bytes));

/** @returns a share such as an accuracy: `96.4 %` */
export const formatPercent = (share: number): string => tie(words.formatPercent(share));

/** @returns a small share with two significant digits: `0.50 %` */
export const formatShare = (share: number): string => tie(words.formatShare(share));

/** @returns `0.8 points` */
export const formatPoints = (difference: number): string => tie(words.formatPoints(difference));

/** @returns `31 ms`, `1.24 s` */
export const formatSeconds = (seconds: number): string => tie(words.formatSeconds(seconds));

/** @returns the limit of a gate */
export const formatLimited = (value: number, unit: Unit): string => tie(words.formatLimited(value, unit));

/** @returns a rounded memory size: `12.8 MB` */
export function formatMemory(bytes: number): string {
  if (bytes >= 1e9) return tie(`${formatNumber(bytes / 1e9, 1)} GB`);
  return tie(bytes >= 1e6 ? `${formatNumber(bytes / 1e6, 1)} MB` : `${formatNumber(bytes / 1e3, 1)} kB`);
}

/** @returns the inverse of a share: `201` */
export const formatTimes = (share: number): string => words.formatTimes(1 / share);

/** @returns the bounds of an interval of accuracies: `95.5 to 97.2` */
export function formatInterval({ low, high }: Estimate): string {
  return `${formatPointsNumber(low)} to ${formatPointsNumber(high)}`;
}

/** @returns the bounds of a difference in points: `−0.4 to +1.0` */
export function formatSignedInterval({ low, high }: Estimate): string {
  return `${formatSigned(low)} to ${formatSigned(high)}`;
}

/** @returns an accuracy with its interval, for tooltips: `96.4 % (95.5 to 97.2)` */
export function formatEstimate(estimate: Estimate): string {
  return `${formatPercent(estimate.value)} (${formatInterval(estimate)})`;
}

/** Longer strings are truncated. */
const MAX_LENGTH = 400;

/**
 * Makes a string safe to display: unseen characters are written as escapes (`\u{202e}`), line breaks and
 * tabs become spaces, and long strings are truncated.
 */
export function cleanText(text: string): string {
  return cutText(printable(text.replaceAll(/[\t\n\r]+/g, ' ')), MAX_LENGTH);
}

/** Truncates a string to a number of characters, ending with an ellipsis. */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  const characters = Array.from(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}

/** @returns a copy of a document with all of its strings made safe to display */
export function cleanStrings<T>(document: T): T {
  return cleanValue(document) as T;
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cleanValue(inner)]));
}
