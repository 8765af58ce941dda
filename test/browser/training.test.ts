import { expect, test } from 'vitest';
import { bundleForBrowser, wasmProgram } from './bundle.js';
import { useChromium } from './session.js';
import { type TrainedInPage, trainInPage } from './train-in-page.js';

const session = useChromium(async () => {
  return { bundle: await bundleForBrowser('train-in-page.ts'), files: [wasmProgram()] };
});

test('training in a page of Chromium gives the payloads, byte for byte, of training in Node', async () => {
  const inPage = await session.page.evaluate<TrainedInPage>('device.trainInPage()');
  expect(inPage.kernels).toEqual(['NeuralDiffGru']);
  expect(inPage.hash.length).toBeGreaterThan(200);
  expect(inPage.graph.length).toBeGreaterThan(200);
  expect(inPage).toEqual(await trainInPage());
});
