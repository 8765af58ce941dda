/** @returns the bytes with one to four changes: bytes set, bits flipped, runs cut out, doubled or put in */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let i = random() % 4; i >= 0; i--) {
    if (result.length === 0) return result;
    const at = random() % result.length;
    const length = 1 + (random() % 8);
    switch (random() % 5) {
      case 0:
        result[at] = random() & 0xff;
        break;
      case 1:
        result[at] = (result[at] as number) ^ (1 << (random() % 8));
        break;
      case 2:
        result = splice(result, [at, at + length], new Uint8Array(0));
        break;
      case 3:
        result = splice(result, [at, at], result.slice(at, at + length));
        break;
      default:
        result = splice(
          result,
          [at, at],
          Uint8Array.from({ length }, () => random() & 0xff),
        );
    }
  }
  return result;
}

/** @returns the bytes with one to four of them changed, and the same length: past the checks of lengths */
export function mutateInPlace(bytes: Uint8Array, random: () => number): Uint8Array {
  const result = bytes.slice();
  for (let i = random() % 4; i >= 0; i--) {
    const at = random() % result.length;
    const isFlip = random() % 2 === 0;
    result[at] = isFlip ? (result[at] as number) ^ (1 << (random() % 8)) : random() & 0xff;
  }
  return result;
}

function splice(bytes: Uint8Array, [from, to]: [number, number], insert: Uint8Array): Uint8Array {
  const [head, tail] = [bytes.subarray(0, from), bytes.subarray(Math.min(to, bytes.length))];
  const result = new Uint8Array(head.length + insert.length + tail.length);
  result.set(head);
  result.set(insert, from);
  result.set(tail, from + insert.length);
  return result;
}
