import type { VNode } from 'preact';
import type { Comparison, FlipExample, Flips } from '../../report/index.js';
import { formatNumber, formatPercent, formatShare, formatSmall } from '../format.js';
import { type Cell, columnsOf, numberCell, pointsCell, seriesCell, textCell } from '../parts/cells.js';
import { Details } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type Series } from '../series.js';
import type { View } from '../view.js';

/** A payload beside a model that it is compared with. */
interface Pair {
  readonly series: Series;
  readonly against: Series;
  readonly comparison: Comparison;
}

const COLUMNS = columnsOf(
  ...[
    'Payload',
    'Against',
    '#Points behind',
    '#Same prediction',
    '#Negative flips',
    '#Share',
    '#Positive flips',
  ],
  ...['#Share of positive flips', '#Divergence, mean', '#99th percentile'],
);

/** Predictions that change; absent where nothing was compared. */
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
    title: 'Flips',
    content: (
      <>
        <p class="note">
          A negative flip is an example that the other model gets right and the payload’s wrong; a positive
          flip, one that becomes right. Divergence is Kullback-Leibler’s, in nats.
        </p>
        <Table id="flips-table" caption="Predictions that change" columns={COLUMNS} rows={rows} />
        {pairs.flatMap((pair, index) => [
          <Examples key={`${index}n`} pair={pair} sign="negative" index={index} />,
          <Examples key={`${index}p`} pair={pair} sign="positive" index={index} />,
        ])}
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

function Examples(props: { pair: Pair; sign: 'negative' | 'positive'; index: number }): VNode | null {
  const { series, against, comparison } = props.pair;
  const flips = props.sign === 'negative' ? comparison.negativeFlips : comparison.positiveFlips;
  if (flips.examples.length === 0) return null;
  const title = `${series.name} against ${against.name.toLowerCase()}: ${props.sign} flips, ${flips.examples.length} of ${formatNumber(flips.count)}`;
  const isOpen = props.index === 0 && props.sign === 'negative' ? 'yes' : 'no';
  return (
    <Details title={title} isOpen={isOpen}>
      <Table
        id={`flips-${props.index}-${props.sign}`}
        caption="The most confident wrong predictions first"
        columns={columnsOf(
          'Example',
          'Right class',
          'Before',
          '#Probability before',
          'After',
          '#Probability after',
        )}
        rows={flips.examples.map(exampleCells)}
      />
    </Details>
  );
}

function exampleCells(example: FlipExample): Cell[] {
  return [
    textCell(example.name ?? `number ${formatNumber(example.index)}`),
    textCell(example.label),
    textCell(example.before),
    numberCell(example.confidenceBefore, formatPercent),
    textCell(example.after),
    numberCell(example.confidenceAfter, formatPercent),
  ];
}
