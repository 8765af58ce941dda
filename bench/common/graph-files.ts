// Writes GraphModels, as the converter of TensorFlow.js does: a graph of nodes and the constants in a shard.

/** A value of the graph, by the name of its node. */
export type Value = string;

/** An attribute: a flag, a real number, a text, whole numbers, or an element type after `type:`. */
type Attribute = boolean | number | string | readonly number[] | readonly string[];

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly bytes: Uint8Array;
  readonly quantization?: object;
}

/** How a constant is stored: as it is, in half precision, or as integers with a scale and a minimum. */
type Storage = 'float32' | 'float16' | 'uint8' | 'uint16';

/** Values of a constant and how they are stored. */
interface StoredWeights {
  readonly values: Float32Array;
  readonly storage?: Storage;
}

export class GraphBuilder {
  readonly #nodes: object[] = [];
  readonly #entries: Entry[] = [];
  readonly #inputs: Record<string, object> = {};

  /** @param shape with -1 for any size */
  input(name: string, shape: readonly number[]): Value {
    const dims = { dim: shape.map((size) => ({ size: String(size) })) };
    this.#nodes.push({
      name,
      op: 'Placeholder',
      attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: dims } },
    });
    this.#inputs[name] = { name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: dims };
    return name;
  }

  /** Adds float weights. */
  weights(name: string, shape: readonly number[], { values, storage = 'float32' }: StoredWeights): Value {
    return this.#constant({ name, shape, dtype: 'float32', ...STORED[storage](values) }, 'DT_FLOAT');
  }

  /** Adds whole numbers, such as the axes of a reduction; a single one has no dimension, rows have two. */
  integers(name: string, values: number | readonly number[] | readonly (readonly number[])[]): Value {
    const list = [values].flat(2);
    const rows = Array.isArray(values) ? [values.length] : [];
    const shape = Array.isArray(values) && Array.isArray(values[0]) ? [...rows, values[0].length] : rows;
    return this.#constant({ name, shape, dtype: 'int32', bytes: bytesOf(Int32Array.from(list)) }, 'DT_INT32');
  }

  flags(name: string, values: readonly boolean[]): Value {
    const bytes = Uint8Array.from(values, Number);
    return this.#constant({ name, shape: [values.length], dtype: 'bool', bytes }, 'DT_BOOL');
  }

  #constant(entry: Entry, type: string): Value {
    this.#entries.push(entry);
    this.#nodes.push({ name: entry.name, op: 'Const', attr: { dtype: { type } } });
    return entry.name;
  }

  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    const name = `${op.replace('_', '')}_${this.#nodes.length}`;
    const attr = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, encode(value)]));
    this.#nodes.push({ name, op, input: inputs, attr: { T: { type: 'DT_FLOAT' }, ...attr } });
    return name;
  }

  /** @param outputs values by the names of outputs */
  files(outputs: Readonly<Record<string, Value>>): Map<string, Uint8Array> {
    const ports = Object.entries(outputs).map(([key, value]) => [
      key,
      { name: value.includes(':') ? value : `${value}:0` },
    ]);
    const json = {
      format: 'graph-model',
      generatedBy: '2.0',
      convertedBy: null,
      signature: { inputs: this.#inputs, outputs: Object.fromEntries(ports) },
      modelTopology: { node: this.#nodes, versions: { producer: 1 } },
      weightsManifest: [
        { paths: ['group1-shard1of1.bin'], weights: this.#entries.map(({ bytes: _, ...entry }) => entry) },
      ],
    };
    const shard = new Uint8Array(this.#entries.reduce((sum, { bytes }) => sum + bytes.length, 0));
    let at = 0;
    for (const { bytes } of this.#entries) {
      shard.set(bytes, at);
      at += bytes.length;
    }
    const text = new TextEncoder().encode(JSON.stringify(json));
    return new Map([
      ['model.json', text],
      ['group1-shard1of1.bin', shard],
    ]);
  }
}

function encode(value: Attribute): object {
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'number') return { f: value };
  if (typeof value === 'string')
    return value.startsWith('type:') ? { type: value.slice(5) } : { s: btoa(value) };
  const isText = value.some((each) => typeof each === 'string');
  return { list: isText ? { s: value.map((each) => btoa(String(each))) } : { i: value.map(String) } };
}

function bytesOf(values: Float32Array | Int32Array | Uint16Array | Uint8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

type Stored = Pick<Entry, 'bytes' | 'quantization'>;

const STORED: Readonly<Record<Storage, (values: Float32Array) => Stored>> = {
  float32: (values) => ({ bytes: bytesOf(values) }),
  float16: (values) => ({
    bytes: bytesOf(Uint16Array.from(values, halfOf)),
    quantization: { dtype: 'float16', original_dtype: 'float32' },
  }),
  uint8: (values) => quantise(values, 'uint8'),
  uint16: (values) => quantise(values, 'uint16'),
};

/** @returns the bits of a half that a number rounds to, toward zero; too small ones become zero */
function halfOf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const sign = (bits >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function quantise(values: Float32Array, dtype: 'uint8' | 'uint16'): Stored {
  const most = dtype === 'uint8' ? 255 : 65_535;
  const min = values.reduce((a, b) => Math.min(a, b), 0);
  const scale = (values.reduce((a, b) => Math.max(a, b), 0) - min) / most || 1;
  const integers = values.map((value) => Math.round((value - min) / scale));
  const bytes = bytesOf(dtype === 'uint8' ? Uint8Array.from(integers) : Uint16Array.from(integers));
  return { bytes, quantization: { dtype, scale, min, original_dtype: 'float32' } };
}
