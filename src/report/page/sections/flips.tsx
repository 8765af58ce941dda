import type { VNode } from 'preact';
import type { Comparison, FlipExample, Flips } from '../../document.js';
import { formatNumber, formatPercent, formatShare, formatSmall } from '../format.js';
import { Details } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { type Cell, columnsOf, numberCell, pointsCell, seriesCell, Table, textCell } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type Series, type View } from '../view.js';

/** A payload and the model it is compared with. */
interface Pair {
  readonly series: Series;
  readonly against: Series;
  readonly comparison: Comparison;
}

const COLUMNS = columnsOf(
  ...[
    'Payload',
    'Against',
    '#Points behind (below 0: better)',
    '#Same prediction',
    '#Negative flips',
    '#Share',
    '#Positive flips',
  ],
  ...['#Share of positive flips', '#Divergence, mean', '#99th percentile'],
);

/** Predictions that change; absent if nothing was compared. */
export function flipsSection(view: View): Section | undefined {
  const pairs = view.candidates.flatMap(({ candidate, series }) => [
    ...pairOf(series, BASE_SERIES, candidate.versusBase),
    ...pairOf(series, FULL_SERIES, candidate.versusFull),
  ]);
  if (pairs.length === 0) return undefined;
  const rows = pairs.map(({ series, against, comparison }) => [
    ...[seriesCell(series), seriesCell(against)],
    ...comparisonCells(comparison),
  ]);
  return {
    id: 'flips',
    title: 'Changed predictions',
    content: (
      <>
        <p class="note">
          A negative flip is an example that the other model gets right and the payload gets wrong; a positive
          flip is the opposite. Divergence is how far the probabilities of the two models are apart: 0 where
          they are equal (Kullback-Leibler divergence in nats, that is, with natural logarithms).
        </p>
        <Table id="flips-table" caption="Predictions that change" columns={COLUMNS} rows={rows} />
        {view.candidates.map(({ series }, index) => (
          <Examples
            key={index}
            series={series}
            pairs={pairs.filter((pair) => pair.series === series)}
            isMain={series === view.main?.series}
            index={index}
          />
        ))}
      </>
    ),
  };
}

function pairOf(series: Series, against: Series, comparison: Comparison | undefined): Pair[] {
  return comparison === undefined ? [] : [{ series, against, comparison }];
}

function comparisonCells({ gap, agreement, negativeFlips, positiveFlips, divergence }: Comparison): Cell[] {
  return [
    pointsCell(gap),
    { ...numberCell(agreement.value, formatPercent), note: between(agreement, formatPercent) },
    ...flipCells(negativeFlips),
    ...flipCells(positiveFlips),
    numberCell(divergence.mean, formatSmall),
    numberCell(divergence.percentile99, formatSmall),
  ];
}

function flipCells({ count, share }: Flips): Cell[] {
  const note = between(share, formatShare);
  return [numberCell(count, formatNumber), { ...numberCell(share.value, formatShare), note }];
}

function between({ low, high }: { low: number; high: number }, format: (value: number) => string): string {
  return `${format(low).replace(/\s?%$/, '')} to ${format(high).replace(/\s?%$/, '')}`;
}

interface ExamplesProps {
  readonly series: Series;
  readonly pairs: readonly Pair[];
  readonly isMain: boolean;
  readonly index: number;
}

const EXAMPLE_COLUMNS = columnsOf(
  ...[
    'Example',
    'Against',
    'Flip',
    'Right class',
    'Before',
    '#Probability before',
    'After',
    '#Probability after',
  ],
);

function Examples({ series, pairs, isMain, index }: ExamplesProps): VNode | null {
  const rows = pairs.flatMap(({ against, comparison: { negativeFlips, positiveFlips } }) => [
    ...negativeFlips.examples.map((example) => exampleCells(example, against, NEGATIVE)),
    ...positiveFlips.examples.map((example) => exampleCells(example, against, POSITIVE)),
  ]);
  if (rows.length === 0) return null;
  return (
    <Details title={`${series.name}: ${formatNumber(rows.length)} examples`} isOpen={isMain ? 'yes' : 'no'}>
      <Table
        id={`flips-${index}`}
        caption={`Examples that flip with ${series.name}, the most confident wrong predictions first`}
        columns={EXAMPLE_COLUMNS}
        rows={rows}
      />
    </Details>
  );
}

const NEGATIVE: Cell = { text: 'negative', verdict: 'bad' };
const POSITIVE: Cell = { text: 'positive', verdict: 'good' };

function exampleCells(example: FlipExample, against: Series, flip: Cell): Cell[] {
  return [
    textCell(example.name ?? `number ${formatNumber(example.index)}`),
    seriesCell(against),
    flip,
    textCell(example.label),
    textCell(example.before),
    numberCell(example.confidenceBefore, formatPercent),
    textCell(example.after),
    numberCell(example.confidenceAfter, formatPercent),
  ];
}
