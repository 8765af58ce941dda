import type { EpochRow } from './jobs.js';

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 220, 48, 26, 12];

const NAMES = { base: 'base', 'fine-tune': 'full fine-tune', diff: 'diff' } as const;

/** Loss of each epoch, one line a phase, and the density of a diff that is pruned. */
export function LossChart({ epochs }: { epochs: readonly EpochRow[] }) {
  const phases = (['base', 'fine-tune', 'diff'] as const).map((phase) =>
    epochs.filter((row) => row.phase === phase),
  );
  const most = Math.max(1e-9, ...epochs.map(({ loss }) => loss));
  const last = Math.max(1, ...epochs.map((row) => row.epochs - 1));
  const x = (epoch: number): number => LEFT + ((WIDTH - LEFT - 8) * epoch) / last;
  const y = (share: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
  const densities = epochs.filter(({ density }) => density !== undefined);
  return (
    <figure>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={describe(epochs)}>
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={LEFT} x2={WIDTH - 8} y1={y(share)} y2={y(share)} />
            <text x={LEFT - 6} y={y(share) + 4} text-anchor="end">
              {(share * most).toPrecision(2)}
            </text>
          </g>
        ))}
        <text x={LEFT} y={HEIGHT - 6}>
          epoch 1
        </text>
        <text x={WIDTH - 8} y={HEIGHT - 6} text-anchor="end">
          {last + 1}
        </text>
        {phases.map((rows, i) => (
          <polyline
            key={i}
            class={`line line-${i}`}
            points={rows.map(({ epoch, loss }) => `${x(epoch)},${y(loss / most)}`).join(' ')}
          />
        ))}
        <polyline
          class="line density"
          points={densities.map(({ epoch, density = 0 }) => `${x(epoch)},${y(density)}`).join(' ')}
        />
      </svg>
      <figcaption>
        {phases.map(
          (rows, i) =>
            rows.length > 0 && (
              <span key={i} class={`key key-${i}`}>
                loss, {NAMES[rows[0]?.phase as keyof typeof NAMES]}: {rows.at(-1)?.loss.toPrecision(3)}
              </span>
            ),
        )}
        {densities.length > 0 && (
          <span class="key key-density">density (0 to 1): {densities.at(-1)?.density?.toPrecision(2)}</span>
        )}
      </figcaption>
    </figure>
  );
}

function describe(epochs: readonly EpochRow[]): string {
  const now = epochs.at(-1);
  return now
    ? `${NAMES[now.phase]}, epoch ${now.epoch + 1} of ${now.epochs}: loss ${now.loss.toPrecision(3)}`
    : 'No epoch yet';
}
