/** Addresses in the files: the root's object header, then what it leads to. */
const ROOT = 96;
const HEAP = 160;
const NAMES = 192;
const NODES = 256;

const UNDEFINED = 2n ** 64n - 1n;

/** Writes numbers and letters into a file. */
class Hdf5Bytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** Starts with a superblock of version 0, whose root is at `ROOT`. */
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
    this.bytes.set([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, 0, 8, 8, 0]);
    this.address(32, UNDEFINED);
    this.address(40, length);
    this.address(48, UNDEFINED);
    this.address(64, ROOT);
  }

  text(at: number, letters: string): void {
    this.bytes.set(new TextEncoder().encode(letters), at);
  }

  u16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  address(at: number, value: number | bigint): void {
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  /** An object header of version 1 around messages of some length. */
  header(at: number, length: number): void {
    this.bytes[at] = 1;
    this.u32(at + 8, length);
  }

  message(at: number, kind: number, length: number): void {
    this.u16(at, kind);
    this.u16(at + 2, length);
  }

  /** The root as a group whose symbols are in a tree at `NODES`. */
  group(): void {
    this.header(ROOT, 24);
    this.message(ROOT + 16, 0x11, 16);
    this.address(ROOT + 24, NODES);
    this.address(ROOT + 32, HEAP);
    this.text(HEAP, 'HEAP');
    this.address(HEAP + 8, 32);
    this.address(HEAP + 24, NAMES);
    this.text(NAMES, 'a');
  }
}

/**
 * @returns a group with a tree of two levels: every child of a node is the same node; the last one holds
 *   links to the group itself
 */
export function groupOfNodes(options: { children: number; symbols: number; isSoft?: boolean }): Uint8Array {
  const { children, symbols, isSoft = false } = options;
  const nodeBytes = 24 + 16 * children + 8;
  const leaf = NODES + 2 * nodeBytes;
  const file = new Hdf5Bytes(leaf + 8 + 40 * symbols + 64);
  file.group();
  for (const level of [1, 0]) {
    const at = NODES + (1 - level) * nodeBytes;
    file.text(at, 'TREE');
    file.bytes[at + 5] = level;
    file.u16(at + 6, children);
    for (let i = 0; i < children; i++) file.address(at + 24 + 16 * i + 8, at + nodeBytes);
  }
  file.text(leaf, 'SNOD');
  file.u16(leaf + 6, symbols);
  for (let i = 0; i < symbols; i++) {
    file.address(leaf + 8 + 40 * i + 8, ROOT);
    file.u32(leaf + 8 + 40 * i + 16, isSoft ? 2 : 0);
  }
  return file.bytes;
}

/** @returns a file whose root goes on in a block that goes on in itself */
export function loopOfContinuations(): Uint8Array {
  const file = new Hdf5Bytes(190_000);
  file.header(ROOT, 24);
  const block = 1_000;
  for (const at of [ROOT + 16, ...Array.from({ length: 7_000 }, (_, i) => block + 24 * i)]) {
    file.message(at, 0x10, 16);
    file.address(at + 8, block);
    file.address(at + 16, 24 * 7_000);
  }
  return file.bytes;
}

/** @returns a file whose root has many messages without content */
export function headerOfMessages(count: number): Uint8Array {
  const file = new Hdf5Bytes(ROOT + 16 + 8 * count + 64);
  file.header(ROOT, 8 * count);
  return file.bytes;
}

/** @returns a file whose root has many links to one header, which is a dataset without type */
export function groupOfDatasets(count: number): Uint8Array {
  const linkBytes = 8 + 24;
  const target = ROOT + 16 + linkBytes * count;
  const file = new Hdf5Bytes(target + 64 * count + 64);
  file.header(ROOT, linkBytes * count);
  for (let i = 0; i < count; i++) {
    const at = ROOT + 16 + linkBytes * i;
    file.message(at, 0x06, 24);
    file.bytes.set([1, 0, 5], at + 8);
    file.text(at + 11, i.toString(36).padStart(5, '0'));
    file.address(at + 16, target + 48 * i);
    file.header(target + 48 * i, 24);
    file.message(target + 48 * i + 16, 0x10, 16);
    file.address(target + 48 * i + 24, ROOT + 16);
    file.address(target + 48 * i + 32, linkBytes * count);
  }
  return file.bytes;
}
