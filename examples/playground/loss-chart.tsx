import type { EpochRow } from './jobs.js';

const [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP] = [640, 220, 48, 8, 26, 12];

/** Smallest power of ten that is drawn. */
const LOWEST = -6;

const PHASES = ['base', 'fine-tune', 'diff'] as const;
const NAMES = { base: 'base', 'fine-tune': 'full fine-tune', diff: 'diff' } as const;

/** Loss of each epoch on a logarithmic axis, one line a phase, and the density of a diff that is pruned. */
export function LossChart({ epochs }: { epochs: readonly EpochRow[] }) {
  const powers = epochs.map(({ loss }) => Math.max(LOWEST, Math.log10(loss)));
  const [low, high] = [Math.floor(Math.min(...powers)), Math.max(...powers.map(Math.ceil), 0)];
  const last = Math.max(1, ...epochs.map((row) => row.epochs - 1));
  const x = (epoch: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * epoch) / last;
  const y = (share: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
  const yOf = (power: number): number => y((power - low) / Math.max(1, high - low));
  const line = (rows: readonly EpochRow[], at: (row: EpochRow) => number): string =>
    rows.map((row) => `${x(row.epoch)},${at(row)}`).join(' ');
  const densities = epochs.filter(({ density }) => density !== undefined);
  return (
    <figure>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={describe(epochs)}>
        {Array.from({ length: high - low + 1 }, (_, i) => low + i).map((power) => (
          <g key={power}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={yOf(power)} y2={yOf(power)} />
            <text x={LEFT - 6} y={yOf(power) + 4} text-anchor="end">
              {10 ** power}
            </text>
          </g>
        ))}
        <text x={LEFT} y={HEIGHT - 6}>
          epoch 1
        </text>
        <text x={WIDTH - RIGHT} y={HEIGHT - 6} text-anchor="end">
          {last + 1}
        </text>
        {PHASES.map((phase, i) => {
          const rows = epochs.filter((row) => row.phase === phase);
          const at = ({ loss }: EpochRow): number => yOf(Math.max(LOWEST, Math.log10(loss)));
          return <polyline key={phase} class={`line line-${i}`} points={line(rows, at)} />;
        })}
        <polyline class="line density" points={line(densities, ({ density = 0 }) => y(density))} />
      </svg>
      <figcaption>
        {PHASES.map((phase, i) => {
          const loss = epochs.filter((row) => row.phase === phase).at(-1)?.loss;
          if (loss === undefined) return null;
          return (
            <span key={phase} class={`key key-${i}`}>
              loss, {NAMES[phase]}: {loss.toPrecision(3)}
            </span>
          );
        })}
        {densities.length > 0 && (
          <span class="key key-density">
            density, from 0 to 1: {densities.at(-1)?.density?.toPrecision(2)}
          </span>
        )}
      </figcaption>
    </figure>
  );
}

function describe(epochs: readonly EpochRow[]): string {
  const now = epochs.at(-1);
  if (now === undefined) return 'No epoch yet';
  return `${NAMES[now.phase]}, epoch ${now.epoch + 1} of ${now.epochs}: loss ${now.loss.toPrecision(3)}`;
}
