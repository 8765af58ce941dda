import type { Candidate, Report, Trend, TrendRow } from './document.js';

type Measure = TrendRow['measure'];

const MEASURES: Readonly<Record<Measure, (candidate: Candidate) => number | undefined>> = {
  bytes: ({ bytes }) => bytes,
  accuracy: ({ quality }) => quality?.accuracy.value,
  gap: ({ versusFull }) => versusFull?.gap.value,
  'negative-flips': ({ versusBase }) => versusBase?.negativeFlips.share.value,
  'apply-seconds': ({ apply }) => apply?.seconds,
};

/** Sets payloads beside those of one name in an earlier report; where both have a single one, names do not matter. */
export function trendOf(candidates: readonly Candidate[], earlier: Report): Trend {
  const isOne = candidates.length === 1 && earlier.candidates.length === 1;
  const rows = candidates.flatMap((now) => {
    const before = isOne ? earlier.candidates[0] : earlier.candidates.find(({ name }) => name === now.name);
    return before === undefined ? [] : rowsOf(before, now);
  });
  return { title: earlier.title, rows };
}

function rowsOf(before: Candidate, now: Candidate): TrendRow[] {
  return Object.entries(MEASURES).flatMap(([measure, read]) => {
    const [was, is] = [read(before), read(now)];
    if (was === undefined || is === undefined) return [];
    return [{ candidate: now.name, measure: measure as Measure, before: was, now: is }];
  });
}
