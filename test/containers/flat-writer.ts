/** What a field of a FlatBuffer's table holds: bytes in place, or what it points to; null for its default. */
export type FlatField = Uint8Array | FlatNode | null;

/** A table, a vector of tables, or bytes with a count in front; `bytes` may be shared by several fields. */
export type FlatNode =
  | { readonly table: readonly FlatField[] }
  | { readonly tables: readonly FlatNode[] }
  | { readonly bytes: Uint8Array; readonly count: number };

/** @returns a FlatBuffer with four letters behind its first offset */
export function writeFlat(root: FlatNode, identifier: string): Uint8Array {
  const writer = new Writer();
  writer.pointer(root);
  for (const letter of identifier) writer.number(letter.charCodeAt(0), 1);
  for (const node of parentsFirst(root)) writer.node(node);
  return writer.finish();
}

function childrenOf(node: FlatNode): FlatNode[] {
  if ('tables' in node) return [...node.tables];
  if ('bytes' in node) return [];
  return node.table.flatMap((field) => (field === null || field instanceof Uint8Array ? [] : [field]));
}

/** Offsets lead forward: what several point to comes behind all of them. */
function parentsFirst(root: FlatNode): FlatNode[] {
  const seen = new Set<FlatNode>();
  const done: FlatNode[] = [];
  const visit = (node: FlatNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    childrenOf(node).forEach(visit);
    done.push(node);
  };
  visit(root);
  return done.reverse();
}

class Writer {
  readonly #bytes: number[] = [];
  readonly #places = new Map<FlatNode, number>();
  readonly #pointers: { at: number; to: FlatNode }[] = [];

  number(value: number, length: number): void {
    for (let i = 0; i < length; i++) this.#bytes.push((value >>> (8 * i)) & 0xff);
  }

  pointer(to: FlatNode): void {
    this.#pointers.push({ at: this.#bytes.length, to });
    this.number(0, 4);
  }

  node(node: FlatNode): void {
    while (this.#bytes.length % 8 !== 4) this.#bytes.push(0);
    if ('table' in node) this.#table(node);
    else this.#places.set(node, this.#bytes.length);
    if ('tables' in node) {
      this.number(node.tables.length, 4);
      for (const each of node.tables) this.pointer(each);
    } else if ('bytes' in node) {
      this.number(node.count, 4);
      for (const byte of node.bytes) this.#bytes.push(byte);
    }
  }

  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, to } of this.#pointers) view.setUint32(at, (this.#places.get(to) as number) - at, true);
    return bytes;
  }

  /** The table of offsets lies in front of the table. */
  #table(node: Extract<FlatNode, { table: unknown }>): void {
    const sizes = node.table.map((field) =>
      field instanceof Uint8Array ? field.length : field === null ? 0 : 4,
    );
    const start = this.#bytes.length;
    this.number(4 + 2 * sizes.length, 2);
    this.number(4 + sizes.reduce((sum, size) => sum + size, 0), 2);
    let offset = 4;
    for (const size of sizes) {
      this.number(size === 0 ? 0 : offset, 2);
      offset += size;
    }
    const place = this.#bytes.length;
    this.#places.set(node, place);
    this.number(place - start, 4);
    for (const field of node.table) {
      if (field instanceof Uint8Array) this.#bytes.push(...field);
      else if (field !== null) this.pointer(field);
    }
  }
}
