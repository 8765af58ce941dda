import * as tf from '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { beforeAll, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { openOnnxNetwork } from '../../src/onnx/network.js';
import { relativeError, runOnnx, runtimeInputs } from './compare.js';
import { seededFloats } from '../support.js';
beforeAll(() => useBackend('wasm'));
const D = '/tmp/onnxmodels/x';
const all: any[] = JSON.parse(process.env.TRY ?? '[]');
test.each(all)('%s', async (path, inputs) => {
  const bytes = new Uint8Array(readFileSync(path.startsWith('/') ? path : `${D}/${path}`));
  const t0 = performance.now();
  let network: any;
  try { network = await openOnnxNetwork(openMemoryFiles(new Map([['m.onnx', bytes]])), 'm.onnx'); }
  catch (e: any) { console.log(path, 'REFUSED', e.code, e.message); if (!e.code) console.log(e.stack); return; }
  console.log(path, 'load ms', performance.now() - t0, 'weights', network.weights.length, network.inputNames, JSON.stringify(network.inputShapes), network.outputNames);
  const xs = inputs.map(({ shape, dtype, value, max }: any, i: number) => {
    const size = shape.reduce((a: number, b: number) => a * b, 1);
    if (dtype === 'int32') return tf.tensor(Int32Array.from({ length: size }, (_, k) => value ?? (k * 7919) % (max ?? 100)), shape, 'int32');
    return tf.tensor(value !== undefined ? new Float32Array(size).fill(value) : seededFloats(i + 1, size), shape);
  });
  try {
    const t1 = performance.now();
    const ys = tf.tidy(() => network.run(xs, network.outputNames).map((y: any) => ({ shape: y.shape, data: y.dataSync().slice() })));
    const t2 = performance.now();
    tf.tidy(() => { network.run(xs, network.outputNames).map((y: any) => y.dataSync()); });
    console.log('first', t2 - t1, 'second', performance.now() - t2);
    const expected = await runOnnx!(bytes, runtimeInputs(network, xs));
    network.outputNames.forEach((name: string, i: number) => {
      const floats = new Float32Array(expected[name]!.slice().buffer);
      console.log(name, ys[i].shape, 'error', floats.length === ys[i].data.length ? relativeError(ys[i].data, floats) : `length ${ys[i].data.length} ${floats.length}`);
    });
    if (process.env.INNER) {
      const { readOnnxModel } = await import('../../src/onnx/read-graph.js');
      const { field } = await import('../containers/write-onnx.js');
      const { concat } = await import('../support.js');
      const model = await readOnnxModel(openMemoryFiles(new Map([['m.onnx', bytes]])), 'm.onnx');
      const nodes = model.graph.nodes.filter((n: any) => n.outputs[0] && !model.graph.outputs.some((o: any) => o.name === n.outputs[0]));
      const names = nodes.map((n: any) => n.outputs[0]);
      const wide = concat(bytes, field(7, concat(...names.map((n: string) => field(12, field(1, n))))));
      const { InferenceSession, Tensor } = await import('onnxruntime-node' as any);
      const session = await InferenceSession.create(wide, { graphOptimizationLevel: 'disabled' });
      const feeds = Object.fromEntries(Object.entries(runtimeInputs(network, xs)).map(([n, { shape, values }]: any) => [n, new Tensor(values instanceof Float32Array ? 'float32' : 'int64', values, shape)]));
      const out = await session.run(feeds);
      for (const n of nodes) {
        const name = n.outputs[0];
        try {
          const [y] = tf.tidy(() => network.run(xs, [name]).map((y: any) => ({ shape: y.shape, data: y.dataSync().slice() }))) as any;
          const e = relativeError(y.data, Array.from(out[name].data, Number));
          if (e > 1e-4 || y.shape.join() !== out[name].dims.join()) console.log('INNER', n.op, name, y.shape, out[name].dims, e, JSON.stringify([...n.attributes]), y.data.slice(0, 4), out[name].data.slice(0, 4));
        } catch (e: any) { console.log('INNER FAIL', n.op, name, e.message); }
      }
    }
    const t3 = performance.now();
    await network.checkGradients(xs, network.outputNames);
    console.log('gradients ok', performance.now() - t3, tf.memory().numTensors);
  } catch (e: any) { console.log('FAILED', e.code, e.message, e.cause?.stack ?? e.stack); }
  network.dispose();
  console.log('tensors left', tf.memory().numTensors - xs.length);
}, 600000);
