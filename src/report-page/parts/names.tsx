import type { VNode } from 'preact';
import type { Series } from '../series.js';

/** A text that somebody else wrote: whatever its direction, it does not turn what stands around it. */
export function Name({ text }: { text: string }): VNode {
  return <bdi>{text}</bdi>;
}

/** The mark that a thing has in charts. */
export function Swatch({ series }: { series: Series }): VNode {
  return (
    <svg class="swatch" viewBox="-1.5 -1.5 3 3" width="12" height="12" aria-hidden="true">
      <path d={series.shape} fill={series.colour} />
    </svg>
  );
}

/** What the marks of a chart stand for. */
export function Legend({ series }: { series: readonly Series[] }): VNode {
  return (
    <ul class="legend">
      {series.map((one, index) => (
        <li key={index}>
          <Swatch series={one} />
          <Name text={one.name} />
        </li>
      ))}
    </ul>
  );
}
