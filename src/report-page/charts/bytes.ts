import { cutText } from '../clean.js';
import { formatBytes, formatNumber } from '../format.js';
import { type Drawing, drawBoth, type Fit } from './draw.js';
import { byteChannel, byteSpan, labelLayer, rowChannel } from './scales.js';

/** A way to ship, and what it takes. */
export interface ByteBar {
  readonly name: string;
  readonly bytes: number;
  readonly colour: string;
}

/** @param bars all with at least a byte */
export async function drawBytes(bars: readonly ByteBar[]): Promise<Drawing[]> {
  const span = byteSpan(
    bars.map(({ bytes }) => bytes),
    { isFromTick: true },
  );
  const labels = (fit: Fit) => bars.map(({ name }) => cutText(name, fit === 'wide' ? 34 : 18));
  const values = bars.map(({ name, bytes, colour }, row) => ({
    ...{ row, bytes, colour, start: span.domain[0], written: formatNumber(bytes) },
    about: `${name}: ${formatBytes(bytes)}`,
  }));
  return drawBoth((fit) => {
    const y = rowChannel(labels(fit));
    const x = byteChannel('bytes', span, 'Bytes, each line ten times the one before');
    const bar = { type: 'bar', cornerRadiusEnd: 2 };
    const fill = { field: 'colour', type: 'nominal', scale: null };
    const text = { type: 'text', align: 'left', baseline: 'middle', dx: 6 };
    return {
      label: 'Bytes of every way to ship the update',
      height: 28 * bars.length,
      margins: { left: fit === 'wide' ? 230 : 128, right: fit === 'wide' ? 90 : 66, top: 4, bottom: 44 },
      layers: [
        {
          data: { values },
          mark: bar,
          encoding: { y, x, x2: { field: 'start' }, fill, description: { field: 'about' } },
        },
        { data: { values }, mark: text, encoding: { y, x, text: { field: 'written' } } },
        labelLayer(labels(fit)),
      ],
    };
  });
}
