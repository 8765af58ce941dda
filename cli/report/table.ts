import type { Report } from '../../src/report/document.js';
import {
  formatNumber,
  formatPercent,
  formatPointsNumber,
  formatSeconds,
  formatShare,
} from '../../src/report/words.js';
import { alignColumns } from '../io.js';

/** @returns base, full fine-tune and payloads as a table for a terminal; columns of what was not measured are left out */
export function tableOf({
  base,
  full,
  model,
  candidates,
}: Pick<Report, 'base' | 'full' | 'model' | 'candidates'>): string[] {
  const accuracyOf = (value: number | undefined) => (value === undefined ? '' : formatPercent(value));
  const whole = model ? [formatNumber(model.float32Bytes), '100 %'] : ['', ''];
  const rows = [
    ['bytes', 'share', 'accuracy', '95 %', 'gap', 'flips', 'applied in'],
    ['', '', accuracyOf(base?.quality?.accuracy.value), '', '', '', ''],
    ...(full ? [[...whole, accuracyOf(full.quality?.accuracy.value), '', '', '', '']] : []),
    ...candidates.map(({ bytes, share, quality, versusFull, versusBase, apply }) => [
      formatNumber(bytes),
      formatShare(share),
      accuracyOf(quality?.accuracy.value),
      quality ? `${formatPercent(quality.accuracy.low)} to ${formatPercent(quality.accuracy.high)}` : '',
      versusFull ? formatPointsNumber(versusFull.gap.value) : '',
      versusBase ? formatNumber(versusBase.negativeFlips.count) : '',
      apply ? formatSeconds(apply.seconds) : '',
    ]),
  ];
  const isUsed = (column: number): boolean => rows.some((row, i) => i > 0 && row[column] !== '');
  const used = rows.map((row) => row.filter((_, column) => isUsed(column)));
  const names = [
    '',
    'base',
    ...(full ? ['full fine-tune'] : []),
    ...candidates.map(({ name }) => printable(name)),
  ];
  return alignColumns(used).map((line, i) => `${line}  ${names[i]}`.trimEnd());
}

/** @returns text that cannot move the cursor of a terminal */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');
}
