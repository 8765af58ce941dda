import { useState } from 'preact/hooks';
import { bytesText, numberText, percentText } from './format.js';
import type { Predictions, SizeRow, TensorRow } from './jobs.js';

/** Rows that are shown at first. */
const FIRST_ROWS = 40;

/** Sizes of what could be sent, with bars. */
export function SizeTable({ rows }: { rows: readonly SizeRow[] }) {
  const most = Math.max(...rows.map(({ bytes }) => bytes));
  return (
    <div class="wide">
      <table>
        <caption>What an update would take</caption>
        <thead>
          <tr>
            <th scope="col">Way</th>
            <th scope="col" class="number">
              Bytes
            </th>
            <th scope="col" class="number">
              Of the largest
            </th>
            <th />
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, bytes }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{numberText(bytes)}</td>
              <td class="number">{percentText(bytes, most)}</td>
              <td class="bar">
                <Bar share={bytes / most} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Bar({ share }: { share: number }) {
  return (
    <span class="track">
      <span style={{ width: `${100 * share}%` }} />
    </span>
  );
}

/** What changed, tensor by tensor: the changed ones first. */
export function TensorTable({ rows }: { rows: readonly TensorRow[] }) {
  const [isWhole, setWhole] = useState(false);
  if (rows.length === 0) return null;
  const sorted = [...rows].sort((a, b) => b.changed / b.weights - a.changed / a.weights);
  const shown = isWhole ? sorted : sorted.slice(0, FIRST_ROWS);
  return (
    <div class="wide">
      <table>
        <caption>What changed, tensor by tensor</caption>
        <thead>
          <tr>
            <th scope="col">Tensor</th>
            <th scope="col">Type</th>
            <th scope="col">Shape</th>
            <th scope="col" class="number">
              Changed
            </th>
            <th scope="col" class="number">
              Share
            </th>
            <th />
            <th scope="col" class="number">
              Largest change
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ name, dtype, shape, weights, changed, largest }) => (
            <tr key={name} class={changed === 0 ? 'same' : ''}>
              <th scope="row">{name}</th>
              <td>{dtype}</td>
              <td class="shape">{shape.join(' × ')}</td>
              <td class="number">{numberText(changed)}</td>
              <td class="number">{percentText(changed, weights)}</td>
              <td class="bar">
                <Bar share={weights === 0 ? 0 : changed / weights} />
              </td>
              <td class="number">{largest === undefined ? '–' : Number(largest.toPrecision(3))}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <button type="button" class="plain" onClick={() => setWhole(true)}>
          Show all {numberText(rows.length)} tensors
        </button>
      )}
    </div>
  );
}

/** Outputs of both models for the same examples. */
export function PredictionTable({
  rows,
  names,
}: {
  rows: Predictions;
  names: readonly string[] | undefined;
}) {
  return (
    <div class="wide">
      <table>
        <caption>The same examples through both models</caption>
        <thead>
          <tr>
            <th scope="col">Example</th>
            <th scope="col">Base</th>
            <th scope="col">Next</th>
            <th scope="col" class="number">
              Largest difference
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ base, next }, i) => (
            <tr key={i}>
              <th scope="row">{names?.[i] ?? `made up, ${i + 1}`}</th>
              <td>{outputText(base, names)}</td>
              <td>{outputText(next, names)}</td>
              <td class="number">
                {Number(Math.max(...next.map((value, k) => Math.abs(value - (base[k] ?? 0)))).toPrecision(3))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** @returns the likeliest class of probabilities, else the first values */
function outputText(values: readonly number[], names: readonly string[] | undefined): string {
  const sum = values.reduce((a, b) => a + b, 0);
  const best = values.indexOf(Math.max(...values));
  if (values.length > 1 && Math.abs(sum - 1) < 1e-3)
    return `${names?.[best] ?? `class ${best}`}, ${percentText(values[best] as number, 1)}`;
  const first = values.slice(0, 3).map((value) => value.toPrecision(3));
  return `${first.join(', ')}${values.length > 3 ? ', …' : ''}`;
}

/** @returns sentences about a payload and the model that it updates, both in bytes of their files */
export function summaryText(rows: readonly TensorRow[], payloadBytes: number, modelBytes: number): string {
  const tensors = rows.filter(({ changed }) => changed > 0).length;
  const changed = rows.reduce((sum, row) => sum + row.changed, 0);
  const weights = rows.reduce((sum, row) => sum + row.weights, 0);
  const what =
    rows.length === 0
      ? 'No tensor has the same name, type and shape in both models.'
      : `${tensors} of ${rows.length} tensors changed, ${numberText(changed)} of ${numberText(weights)} weights.`;
  const times = modelBytes / payloadBytes;
  const size = `The payload has ${bytesText(payloadBytes)}, ${percentText(payloadBytes, modelBytes)} of the model`;
  if (times < 1.05) return `${what} ${size}: ship the whole model.`;
  return `${what} ${size}: ${times >= 10 ? Math.round(times) : times.toFixed(1)} times smaller.`;
}
