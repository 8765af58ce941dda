import * as tf from '@tensorflow/tfjs';
import type { ArrayData } from 'neural-diff/train';
import { createRandom, type Random } from '../common/random.js';
import type { TaskName } from './jobs.js';

/** Classes of both tasks; the base knows the first two, the update adds the others. */
export const CLASSES = 4;
export const BASE_CLASSES = 2;

/** A task that a page trains in seconds, with made-up data and an untrained model. */
export interface SmallTask {
  createModel(): tf.LayersModel;
  /** Draws examples of the first so many classes, the same ones for the same name in every engine. */
  draw(classes: number, each: number, name: string): ArrayData & { xs: tf.Tensor; ys: tf.Tensor };
}

/** Classes of the pictures. */
export const SHAPES = ['frame', 'cross', 'disc', 'checks'] as const;

/** Pixels of a side of a picture. */
const SIDE = 12;

/** Notes of a melody, and values of each. */
const NOTES = 16;
const VALUES = 4;

export const TASKS: Readonly<Record<TaskName, SmallTask>> = {
  pictures: {
    createModel: createPictureModel,
    draw: (classes, each, name) => drawSet({ classes, each, name }, [SIDE, SIDE, 1], drawPicture),
  },
  melodies: {
    createModel: createMelodyModel,
    draw: (classes, each, name) => drawSet({ classes, each, name }, [NOTES, VALUES], playMelody),
  },
};

/** Seeds of weights, each used once; uniform numbers have the same bits in every engine. */
function seeds(): () => ReturnType<typeof tf.initializers.glorotUniform> {
  let seed = 1;
  return () => tf.initializers.glorotUniform({ seed: seed++ });
}

/** @returns an untrained network of some 11,000 weights: convolutions, one of them depthwise */
function createPictureModel(): tf.LayersModel {
  const { conv2d, depthwiseConv2d, maxPooling2d, flatten, dense } = tf.layers;
  const next = seeds();
  return tf.sequential({
    layers: [
      conv2d({
        name: 'edges',
        ...{ inputShape: [SIDE, SIDE, 1], filters: 16, kernelSize: 3, activation: 'relu' },
        kernelInitializer: next(),
      }),
      depthwiseConv2d({ name: 'parts', kernelSize: 3, activation: 'relu', depthwiseInitializer: next() }),
      maxPooling2d({ poolSize: 2 }),
      flatten(),
      dense({ name: 'features', units: 40, activation: 'relu', kernelInitializer: next() }),
      dense({ name: 'classes', units: CLASSES, activation: 'softmax', kernelInitializer: next() }),
    ],
  });
}

/** @returns an untrained network of some 9,000 weights: an LSTM and a softmax */
function createMelodyModel(): tf.LayersModel {
  const next = seeds();
  return tf.sequential({
    layers: [
      tf.layers.lstm({
        name: 'tune',
        ...{ inputShape: [NOTES, VALUES], units: 44 },
        kernelInitializer: next(),
        recurrentInitializer: next(),
      }),
      tf.layers.dense({ name: 'classes', units: CLASSES, activation: 'softmax', kernelInitializer: next() }),
    ],
  });
}

type Draw = (kind: number, random: Random) => Float32Array;

function drawSet(
  { classes, each, name }: { classes: number; each: number; name: string },
  shape: readonly number[],
  draw: Draw,
): { xs: tf.Tensor; ys: tf.Tensor } {
  const random = createRandom(1, name);
  const size = shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(classes * each * size);
  const labels = Int32Array.from({ length: classes * each }, (_, i) => i % classes);
  for (const [i, label] of labels.entries()) values.set(draw(label, random), i * size);
  return {
    xs: tf.tensor(values, [labels.length, ...shape]),
    ys: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES).cast('float32')),
  };
}

const between = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1));

/** Draws one of the shapes, somewhere and in noise. */
function drawPicture(kind: number, random: Random): Float32Array {
  const [x0, y0] = [between(random, 4, 7), between(random, 4, 7)];
  const radius = between(random, 2, 4);
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [(i % SIDE) - x0, Math.floor(i / SIDE) - y0];
    const far = Math.max(Math.abs(x), Math.abs(y));
    const isInk = [
      far === radius,
      far <= radius && (x === 0 || y === 0),
      x * x + y * y <= radius * radius,
      far <= radius && (x + y) % 2 === 0,
    ][kind];
    return (isInk ? 0.75 : 0) + random() / 2;
  });
}

/** Plays notes that rise, fall, rise and fall, or fall and rise, in noise. */
function playMelody(kind: number, random: Random): Float32Array {
  const start = between(random, 0, 3);
  const melody = new Float32Array(NOTES * VALUES);
  for (let note = 0; note < NOTES; note++) {
    const middle = NOTES / 2;
    const height = [note, NOTES - note, middle - Math.abs(note - middle), Math.abs(note - middle)][
      kind
    ] as number;
    for (let value = 0; value < VALUES; value++) {
      const isOn = Math.floor((start + height) / 5) % VALUES === value;
      melody[note * VALUES + value] = (isOn ? 1 : 0) + random() - 0.5;
    }
  }
  return melody;
}
