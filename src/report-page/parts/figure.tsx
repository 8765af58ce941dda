import type { ComponentChildren, VNode } from 'preact';
import type { Drawing } from '../charts/draw.js';
import type { Series } from '../series.js';
import { Legend } from './names.js';
import { Raw } from './raw.js';

/** A chart with its title, what its marks mean, and perhaps its numbers. */
export interface FigureProps {
  readonly title: string;
  /** What the axes are, and what is not shown. */
  readonly note?: string;
  readonly drawings: readonly Drawing[];
  readonly legend?: readonly Series[];
  readonly children?: ComponentChildren;
}

/** A chart: each of its drawings is for screens of one width. */
export function Figure({ title, note, drawings, legend = [], children }: FigureProps): VNode {
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
        {note !== undefined && <span>{note}</span>}
      </figcaption>
      {legend.length > 0 && <Legend series={legend} />}
      {drawings.map(({ fit, svg }) => (
        <Raw key={fit} className={`chart ${fit}`} markup={svg} />
      ))}
      {children}
    </figure>
  );
}

/** What need not be seen at once; the title of a chart's own table, usually. */
export function Details({ title, isOpen, children }: DetailsProps): VNode {
  return (
    <details open={isOpen === 'yes'}>
      <summary>
        <bdi>{title}</bdi>
      </summary>
      {children}
    </details>
  );
}

interface DetailsProps {
  readonly title: string;
  readonly isOpen?: 'yes' | 'no';
  readonly children: ComponentChildren;
}
