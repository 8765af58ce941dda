import type { Random } from '../common/random.js';
import { photograph } from './camera.js';
import { Canvas, type Colour } from './canvas.js';
import { drawScribble } from './scribble.js';

/** When a scene is photographed. */
export type Light = 'day' | 'night';

const EXPOSURES = { day: { brightness: 1, noise: 0.06 }, night: { brightness: 0.25, noise: 0.15 } } as const;

/**
 * Paints a landscape as a camera sees it: sky, sun or moon, hills one behind the other, branches in front.
 * Mist takes some of it away, down to branches on plain grey, which is close to a sketch.
 *
 * @param size pixels a side
 * @returns the scene
 */
export function drawScene(size: number, light: Light, random: Random): Canvas {
  const canvas = new Canvas(size);
  const sky = drawSky(random);
  const hills = Array.from({ length: 3 }, (_, depth) => drawHill(depth, random));
  const nearestFirst = [...hills].reverse();
  const mist = random();
  canvas.fill(({ x, y }) => {
    const hill = nearestFirst.find(({ ridge }) => y > ridge(x));
    const [red, green, blue] = hill ? hill.colourAt(x, y) : sky(x, y);
    return [fade(red, mist), fade(green, mist), fade(blue, mist)];
  });
  const branches = 3 + Math.floor(9 * random());
  const bark: Colour = [0.2 * random(), 0.15 * random(), 0.1 * random()];
  for (let i = 0; i < branches; i++) {
    canvas.stroke(drawScribble(random), { colour: bark, width: 0.006 + 0.014 * random() });
  }
  photograph(canvas, EXPOSURES[light], random);
  return canvas;
}

/** @returns a value behind mist, which is light grey */
function fade(value: number, mist: number): number {
  return value + (0.85 - value) * mist;
}

function drawSky(random: Random): (x: number, y: number) => Colour {
  const [red, green] = [0.3 + 0.4 * random(), 0.5 + 0.3 * random()];
  const disc = { x: random(), y: 0.3 * random(), radius: 0.04 + 0.05 * random() };
  return (x, y) => {
    const away = (x - disc.x) * (x - disc.x) + (y - disc.y) * (y - disc.y);
    const glow = Math.min(1, (disc.radius * disc.radius) / away) * 0.7;
    return [red + 0.3 * y + glow, green + 0.2 * y + glow, 0.9 - 0.1 * y + glow];
  };
}

/** A ridge that rises and falls, and the ground below it, darker the nearer it is. */
function drawHill(depth: number, random: Random) {
  const rough = createNoise(random);
  const ground = createNoise(random);
  const shade = 0.75 - 0.2 * depth + 0.1 * random();
  const tint = [0.3 + 0.3 * random(), 0.5 + 0.2 * random(), 0.2 + 0.2 * random()] as const;
  const height = 0.4 + 0.2 * depth;
  return {
    ridge: (x: number) => height + 0.2 * (rough(3 * x) - 0.5) + 0.05 * (rough(17 * x) - 0.5),
    colourAt(x: number, y: number): Colour {
      const light = shade * (0.7 + 0.4 * ground(40 * x + 7 * y) + 0.3 * ground(90 * y + 11 * x));
      return [tint[0] * light, tint[1] * light, tint[2] * light];
    },
  };
}

/** Smooth noise from 0 to 1 along a line. */
function createNoise(random: Random): (at: number) => number {
  const values = Float32Array.from({ length: 128 }, random);
  return (at) => {
    const cell = Math.floor(at);
    const t = at - cell;
    const [a, b] = [values[cell & 127] as number, values[(cell + 1) & 127] as number];
    return a + (b - a) * t * t * (3 - 2 * t);
  };
}
