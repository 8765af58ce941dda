/** A colour: red, green and blue from 0 to 1. */
export type Colour = readonly [number, number, number];

/** A point: x to the right, y down, both from 0 to 1 across the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * A square picture that is painted pixel by pixel, without a graphics library: the same bits on every
 * machine.
 */
export class Canvas {
  readonly size: number;
  /** Row-major, three values from 0 to 1 a pixel. */
  readonly values: Float32Array;

  /** @param size width and height in pixels */
  constructor(size: number) {
    this.size = size;
    this.values = new Float32Array(size * size * 3);
  }

  /** Paints every pixel. */
  fill(colourAt: (point: Point) => Colour): void {
    const { size } = this;
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        this.values.set(
          colourAt({ x: (column + 0.5) / size, y: (row + 0.5) / size }),
          3 * (row * size + column),
        );
      }
    }
  }

  /** Draws straight lines from point to point with round ends and soft edges. */
  stroke(points: readonly Point[], pen: { colour: Colour; width: number }): void {
    for (let i = 1; i < points.length; i++) {
      this.#line([points[i - 1] as Point, points[i] as Point], pen);
    }
  }

  #line([a, b]: readonly [Point, Point], { colour, width }: { colour: Colour; width: number }): void {
    const { size } = this;
    const pixels = (from: number, to: number): [number, number] => [
      Math.max(0, Math.floor((Math.min(from, to) - width) * size)),
      Math.min(size, Math.ceil((Math.max(from, to) + width) * size)),
    ];
    const [left, right] = pixels(a.x, b.x);
    const [top, bottom] = pixels(a.y, b.y);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const distance = distanceToLine({ x: (column + 0.5) / size, y: (row + 0.5) / size }, a, b);
        this.#blend(row * size + column, colour, clamp((width / 2 - distance) * size + 0.5));
      }
    }
  }

  #blend(pixel: number, colour: Colour, opacity: number): void {
    for (let channel = 0; channel < 3; channel++) {
      const i = 3 * pixel + channel;
      const below = this.values[i] as number;
      this.values[i] = below + ((colour[channel] as number) - below) * opacity;
    }
  }
}

function distanceToLine(point: Point, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const along = clamp(((point.x - a.x) * dx + (point.y - a.y) * dy) / (dx * dx + dy * dy || 1));
  const [px, py] = [point.x - a.x - along * dx, point.y - a.y - along * dy];
  return Math.sqrt(px * px + py * py);
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
