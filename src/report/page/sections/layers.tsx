import type { VNode } from 'preact';
import type { Candidate, Layer } from '../../document.js';
import { drawLayers } from '../charts/bars.js';
import { DASH, formatBytes, formatNumber, formatShare, formatSmall } from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, Table, textCell } from '../parts/table.js';
import type { ShownCandidate, View } from '../view.js';

/** Most tensors in a chart; of more, those with the most weights are shown, and none that are unchanged. */
const MAX_CHART_ROWS = 24;

const COLUMNS = columnsOf(
  ...['Tensor', 'Dtype', 'Shape', '#Weights', '#Changed', '#Share changed', '#Change, rms', '#Weights, rms'],
  ...['#Change relative to weights', '#Own bytes'],
);

/** What each payload changes in each tensor; absent without payloads. */
export async function layersSection(view: View): Promise<Section | undefined> {
  const { main } = view;
  const shown = view.candidates.filter(({ candidate }) => candidate.layers.length > 0);
  if (shown.length === 0) return undefined;
  const bodies = await Promise.all(shown.map((one) => layersPart(one, view.candidates.indexOf(one))));
  const open = Math.max(
    0,
    shown.findIndex(({ series }) => series === main?.series),
  );
  return {
    id: 'layers',
    title: 'Where the diff acts',
    content: shown.map(({ series }, index) => (
      <Details key={index} title={series.name} isOpen={index === open ? 'yes' : 'no'}>
        {bodies[index]}
      </Details>
    )),
  };
}

async function layersPart({ candidate, series }: ShownCandidate, index: number): Promise<VNode> {
  const changed = candidate.layers.filter((layer) => layer.changed > 0);
  const charted = changed.length > 0 ? changed : candidate.layers;
  const largest = [...charted].sort((a, b) => b.weights - a.weights).slice(0, MAX_CHART_ROWS);
  const layers = charted.filter((layer) => largest.includes(layer));
  const of = changed.length < candidate.layers.length ? 'changed ones' : 'tensors';
  const note = layers.length < charted.length ? { note: `The ${MAX_CHART_ROWS} largest ${of}.` } : {};
  const draw = (label: string, value: (layer: Layer) => number) =>
    drawLayers({ label, colour: series.colour, bars: layers.map((layer) => barOf(layer, value(layer))) });
  return (
    <>
      <div class="pair">
        <Figure
          title="Share of weights changed"
          {...note}
          drawings={[await draw('Share of weights changed', changedShare)]}
        />
        <Figure
          title="Size of the change relative to the weights"
          {...note}
          drawings={[await draw('Relative change', relativeChange)]}
        />
      </div>
      <LayersTable candidate={candidate} index={index} />
    </>
  );
}

function barOf(layer: Layer, value: number) {
  const changed = `${formatNumber(layer.changed)} of ${formatNumber(layer.weights)} weights changed (${formatShare(changedShare(layer))})`;
  const size = `change ${formatShare(relativeChange(layer))} of the weights`;
  const about = `${layer.tensor}: ${changed}, ${size}`;
  return { name: layer.tensor, value, written: formatShare(value), about };
}

function changedShare({ changed, weights }: Layer): number {
  return weights === 0 ? 0 : changed / weights;
}

function relativeChange({ change, magnitude }: Layer): number {
  return magnitude === 0 ? 0 : change / magnitude;
}

/** @returns how many tensors keep all their weights, as those do that were frozen; empty for none */
function unchangedWords({ layers }: Candidate): string {
  const unchanged = layers.filter(({ changed }) => changed === 0).length;
  if (unchanged === 0) return '';
  return `${formatNumber(unchanged)} of ${formatNumber(layers.length)} tensors are unchanged: frozen, or not worth their bytes. `;
}

function LayersTable({ candidate, index }: { candidate: Candidate; index: number }): VNode {
  const rows = candidate.layers.map((layer) => [
    textCell(layer.tensor),
    textCell(layer.dtype),
    textCell(layer.shape.length === 0 ? DASH : layer.shape.join('×')),
    numberCell(layer.weights, formatNumber),
    numberCell(layer.changed, formatNumber),
    numberCell(changedShare(layer), formatShare),
    numberCell(layer.change, formatSmall),
    numberCell(layer.magnitude, formatSmall),
    numberCell(layer.magnitude === 0 ? undefined : relativeChange(layer), formatShare),
    numberCell(layer.bytes, formatNumber),
  ]);
  return (
    <>
      <Table
        id={`layers-${index}`}
        caption={`Tensors with ${candidate.name}`}
        columns={COLUMNS}
        rows={rows}
      />
      <p class="note">
        {unchangedWords(candidate)}
        {formatBytes(candidate.sharedBytes)} more belong to no single tensor: header, checksum, structure of
        files, values that tensors share. Rms is the root mean square.
      </p>
    </>
  );
}
