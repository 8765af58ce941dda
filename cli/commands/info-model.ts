import { fingerprint } from '../../src/model/fingerprint.js';
import { byteLength, totalBytes, totalElements } from '../../src/model/tensor.js';
import { type CommonFlags, formatBytes, type Io, printResult } from '../io.js';
import { withModel } from '../with-model.js';

/** Prints what a model file holds: its tensors, which of them cannot be written, its identity. */
export async function runModelInfo(path: string, flags: CommonFlags, io: Io): Promise<void> {
  const found = await withModel({ path }, async (store) => {
    const { tensors, readOnly = new Set() } = store;
    return { tensors, readOnly, fingerprint: await fingerprint(store, { signal: io.signal }) };
  });
  const tensors = found.tensors.map((info) => {
    const facts = { name: info.name, dtype: info.dtype, shape: info.shape, bytes: byteLength(info) };
    return found.readOnly.has(info.name) ? { ...facts, readOnly: true } : facts;
  });
  const [weights, modelBytes] = [totalElements(found.tensors), totalBytes(found.tensors)];
  const lines = [
    `model        ${formatBytes(modelBytes)}: ${tensors.length} tensors, ${weights} weights`,
    `fingerprint  ${found.fingerprint}`,
    ...tensors.map(({ name, dtype, shape, ...facts }) => {
      const type = `${dtype}[${shape.join(', ')}]`;
      return `tensor       ${type.padEnd(24)} ${JSON.stringify(name)}${'readOnly' in facts ? '  read only' : ''}`;
    }),
  ];
  printResult(io, flags, { json: { fingerprint: found.fingerprint, modelBytes, weights, tensors }, lines });
}
