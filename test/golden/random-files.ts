import { byteLength, type DType, type Tensor } from '../../src/model/tensor.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import type { FileMap } from '../exact-diff/files/make-files.js';
import { concat, createRandom, seededBytes, seededTensor } from '../support.js';

/** Two models in files, main files first; some of the second are not its own. */
export interface FilesPair {
  readonly base: FileMap;
  readonly next: FileMap;
  readonly others: readonly string[];
}

const TYPES: readonly DType[] = [
  'float32',
  'float16',
  'bfloat16',
  'int8',
  'uint16',
  'int64',
  'float8_e4m3fn',
];
const WORDS = ['layer', 'kernel', 'bias', ' ', '0', '1', ': ', 'größe', '\n', 'embedding', 'of the', 'scale'];

/** Begins files of no known format. */
const HEAD = new TextEncoder().encode('neither');

/** Draws models, all from one seed. */
class Drawer {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  /** @returns a whole number below `end` */
  below(end: number): number {
    return this.#random() % end;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  tensor(name: string): Tensor {
    const shape = Array.from({ length: this.below(4) }, () => 1 + this.below(this.pick([4, 12, 40])));
    return seededTensor(name, this.pick(TYPES), shape, this.#random());
  }

  /** Another tensor in place of one: equal, moved a little or much, of another name, longer, or new. */
  change(tensor: Tensor, i: number): Tensor[] {
    const { dtype, shape } = tensor;
    const rows = [(shape[0] ?? 1) + this.below(3), ...shape.slice(1)];
    const choices: (() => Tensor[])[] = [
      () => [tensor],
      () => [{ ...tensor, bytes: this.move(tensor.bytes) }],
      () => [{ ...tensor, name: `renamed-${i}`, bytes: this.move(tensor.bytes) }],
      () => [{ ...tensor, shape: [byteLength(tensor)], dtype: 'uint8' }],
      () => [{ ...tensor, shape: rows, bytes: this.resize(tensor, byteLength({ ...tensor, shape: rows })) }],
      () => [tensor, seededTensor(`new-${i}`, dtype, shape, this.#random())],
      () => [],
    ];
    return this.pick(choices)();
  }

  move(bytes: Uint8Array): Uint8Array {
    const [moved, every, bits] = [bytes.slice(), this.pick([1, 2, 8, 40]), this.pick([1, 3])];
    for (let at = 0; at < moved.length; at += 1 + this.below(2 * every))
      moved[at] = (moved[at] as number) ^ (1 + this.below(bits));
    return moved;
  }

  resize({ bytes }: Tensor, length: number): Uint8Array {
    return concat(bytes, seededBytes(this.#random(), Math.max(0, length - bytes.length))).subarray(0, length);
  }

  text(words: number): string {
    return Array.from({ length: words }, () => this.pick(WORDS)).join('');
  }

  /** Ascending numbers of 1, 2 or 4 bytes. */
  numbers(count: number): Uint8Array {
    const [width, step] = [this.pick([1, 2, 4]), 1 + this.below(300)];
    let number = 0;
    const values = Array.from({ length: count }, () => {
      number += this.below(step);
      return Array.from({ length: width }, (_, i) => number >>> (8 * i));
    });
    return Uint8Array.from(values.flat());
  }

  /** Pieces of texts, numbers and noise. */
  pieces(count: number): Uint8Array[] {
    return Array.from({ length: count }, () =>
      this.pick([
        () => new TextEncoder().encode(this.text(this.below(60))),
        () => this.numbers(this.below(300)),
        () => seededBytes(this.#random(), this.below(50)),
      ])(),
    );
  }

  /** Pieces, some of them changed, left out, moved to another place or twice there. */
  edit(pieces: readonly Uint8Array[]): Uint8Array[] {
    return pieces.flatMap((piece) =>
      this.pick([
        () => [piece],
        () => [this.move(piece)],
        () => [],
        () => [this.pick(pieces), piece],
        () => [piece.slice(this.below(20)), ...this.pieces(1), piece],
      ])(),
    );
  }
}

/** @returns two models that a seed gives, in files of one format or of two */
export function drawPair(seed: number): FilesPair {
  const drawer = new Drawer(seed);
  const tensors = Array.from({ length: 1 + drawer.below(6) }, (_, i) =>
    drawer.tensor(`t${i}/${drawer.text(2)}`),
  );
  const after = tensors.flatMap((tensor, i) => drawer.change(tensor, i));
  const note = drawer.text(30);
  const model = writeSafetensors({ tensors }, { note });
  const nextModel = writeSafetensors(
    { tensors: drawer.below(2) ? after : [...after, drawer.tensor('last')].reverse() },
    { note: drawer.pick([note, drawer.text(10), note + drawer.text(5)]) },
  );
  const pieces = drawer.pieces(8);
  const edited = concat(HEAD, ...drawer.edit(pieces));
  const [base, next] = drawer.pick([
    [
      ['m.safetensors', model],
      ['m.safetensors', nextModel],
    ],
    [
      ['m.safetensors', model],
      ['next.bin', edited],
    ],
    [
      ['old.bin', concat(HEAD, ...pieces)],
      ['next.bin', edited],
    ],
    [
      ['old.bin', concat(HEAD, ...pieces)],
      ['m.safetensors', nextModel],
    ],
  ] as const);
  const others = drawer.below(2) ? ['texts/a.txt', 'größe.dat'] : [];
  const contents = others.map((path) => [path, concat(...drawer.edit(pieces.slice(0, 3)))] as const);
  return { base: new Map([base]), next: new Map([next, ...contents]), others };
}
