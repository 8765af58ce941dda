import { formatBytes, formatNumber } from '../format.js';
import { type Drawing, drawBoth, WIDTHS } from './draw.js';
import { barLayers, labelLayer } from './rows.js';
import { byteChannel, byteSpan } from './scales.js';

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
  const names = bars.map(({ name }) => name);
  const values = bars.map(({ name, bytes, colour }, row) => ({
    ...{ row, value: bytes, colour, start: span.domain[0], written: formatNumber(bytes) },
    about: `${name}: ${formatBytes(bytes)}`,
  }));
  const x = byteChannel('value', span, 'Bytes');
  return drawBoth((fit) => {
    const isWide = fit === 'wide';
    const margins = { left: isWide ? 230 : 18, right: isWide ? 90 : 70, top: 4, bottom: 44 };
    const room = isWide ? margins.left : WIDTHS[fit] - margins.left;
    return {
      label: 'Bytes of every way to ship the update',
      height: (isWide ? 28 : 42) * bars.length,
      margins,
      layers: [
        ...barLayers(values, x, { height: isWide ? 20 : 12 }),
        labelLayer(names, { side: isWide ? 'left' : 'above', room }),
      ],
    };
  });
}
