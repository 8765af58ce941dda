import { countText, percentText, pointsOf, type Report, secondsText } from '../../src/report/index.js';
import { alignColumns } from '../io.js';

/** @returns base, full fine-tune and payloads as a table for a terminal; columns of what was not measured are left out */
export function tableOf({
  base,
  full,
  model,
  candidates,
}: Pick<Report, 'base' | 'full' | 'model' | 'candidates'>): string[] {
  const accuracyOf = (value: number | undefined) => (value === undefined ? '' : percentText(value));
  const whole = model ? [countText(model.float32Bytes), '100 %'] : ['', ''];
  const rows = [
    ['bytes', 'share', 'accuracy', '95 %', 'gap', 'flips', 'applied in'],
    ['', '', accuracyOf(base?.quality?.accuracy.value), '', '', '', ''],
    ...(full ? [[...whole, accuracyOf(full.quality?.accuracy.value), '', '', '', '']] : []),
    ...candidates.map(({ bytes, share, quality, versusFull, versusBase, apply }) => [
      countText(bytes),
      percentText(share),
      accuracyOf(quality?.accuracy.value),
      quality ? `${percentText(quality.accuracy.low)} to ${percentText(quality.accuracy.high)}` : '',
      versusFull ? pointsOf(versusFull.gap.value) : '',
      versusBase ? countText(versusBase.negativeFlips.count) : '',
      apply ? secondsText(apply.seconds) : '',
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
