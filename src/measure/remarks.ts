import type { DataFacts, Way } from '../report/index.js';

/** What remarks depend on. */
export interface MeasuredFacts {
  readonly data?: DataFacts | undefined;
  readonly ways: readonly Way[];
  /** Times that each payload was applied. */
  readonly applyRuns: number;
}

/** @returns what a reader must know of how it was measured, in sentences */
export function remarksOf({ data, ways, applyRuns }: MeasuredFacts): string[] {
  const missing = ways.filter(({ note }) => note === 'not installed').map(({ name }) => name);
  const remarks: [isDue: boolean, remark: string][] = [
    [
      data?.source === 'validation',
      'Accuracy was measured on validation data, which may have chosen the payload: let the recipe return "test" for figures to rely on.',
    ],
    [
      data !== undefined,
      'Confidence intervals take examples as independent of each other: they are too narrow where many come from one source.',
    ],
    [
      applyRuns > 0,
      'What applying takes was measured on one machine, the one that made this report: devices take longer or shorter.',
    ],
    [missing.length > 0, `Not installed where this was measured, and left out: ${missing.join(', ')}.`],
  ];
  return remarks.filter(([isDue]) => isDue).map(([, remark]) => remark);
}
