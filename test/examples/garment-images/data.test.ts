import { existsSync } from 'node:fs';
import { serialize } from 'node:v8';
import { expect, test } from 'vitest';
import type { Split } from '../../../examples/common/staged-examples.js';
import { CLASSES_BY_STAGE, type Counts, loadGarmentData } from '../../../examples/garment-images/data.js';
import { DEFAULT_FOLDER } from '../../../examples/garment-images/idx.js';
import { createGarmentModel } from '../../../examples/garment-images/model.js';
import { countLabels, expectCumulative, printExamples } from '../common/stage-facts.js';

const isInstalled = existsSync(DEFAULT_FOLDER);
if (!isInstalled) {
  process.stderr.write('SKIPPED: garment pictures; apt-get install dataset-fashion-mnist to test them\n');
}

const counts: Readonly<Record<keyof Split, Counts>> = {
  train: { straight: 6, other: 3 },
  validation: { straight: 2, other: 1 },
  test: { straight: 4, other: 2 },
};

const load = (seed: number) => loadGarmentData({ seed, counts });

test.skipIf(!isInstalled)(
  'loadGarmentData() gives six cumulative stages, a class and a camera each',
  async () => {
    const { labels, stages, adds } = await load(1);
    expect([labels.length, stages.length, adds.length]).toEqual([10, 6, 6]);
    expectCumulative(stages);
    stages.forEach(({ train, validation, test: tested }, stage) => {
      const classes = CLASSES_BY_STAGE.slice(0, stage + 1).flat().length;
      for (const examples of [train, validation, tested]) expect(countLabels(examples)).toBe(classes);
      // Every camera so far shows the classes that were known when it came, and each that came after it.
      const shots = classes * (counts.test.straight + stage * counts.test.other);
      expect(tested.count).toBe(shots);
    });
  },
);

test.skipIf(!isInstalled)('loadGarmentData() is fixed by its seed', async () => {
  const [once, again, other] = await Promise.all([load(1), load(1), load(2)]);
  // Element by element such a comparison takes many seconds.
  const bytes = (data: unknown): Buffer => serialize(data);
  expect(bytes(again).equals(bytes(once))).toBe(true);
  expect(bytes(other).equals(bytes(once))).toBe(false);
});

test.skipIf(!isInstalled)('loadGarmentData() shows no straight picture in two splits', async () => {
  const [base] = (await load(1)).stages as [Split];
  const pictures = [base.train, base.validation, base.test].flatMap(printExamples);
  expect(new Set(pictures).size).toBe(pictures.length);
});

test('createGarmentModel() has the size that its example says, and is fixed by its seed', () => {
  const weightsOf = (seed: number) => {
    const model = createGarmentModel(10, seed);
    const values = model.getWeights().map((weight) => [...weight.dataSync()]);
    return { count: model.countParams(), values };
  };
  expect(weightsOf(1)).toEqual(weightsOf(1));
  expect(weightsOf(2)).not.toEqual(weightsOf(1));
  expect(weightsOf(1).count).toBe(131_386);
});
