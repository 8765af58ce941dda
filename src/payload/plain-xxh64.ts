/** A number of 64 bits: its upper and its lower half, each as a signed 32-bit integer. */
type Word = readonly [high: number, low: number];

const PRIME_1: Word = [0x9e3779b1 | 0, 0x85ebca87 | 0];
const PRIME_2: Word = [0xc2b2ae3d | 0, 0x27d4eb4f];
const PRIME_3: Word = [0x165667b1, 0x9e3779f9 | 0];
const PRIME_4: Word = [0x85ebca77 | 0, 0xc2b2ae63 | 0];
const PRIME_5: Word = [0x27d4eb2f, 0x165667c5];

const STRIPE_BYTES = 32;

/**
 * Incremental XXH64 with seed 0 for runtimes without WebAssembly, which BigInt would make slower still.
 *
 * Source: the xxHash fast digest algorithm, specification 0.1.1.
 */
export class PlainXxh64 {
  /** Four lanes, upper half first. */
  readonly #lanes = new Int32Array(8);
  readonly #stripe = new Uint8Array(STRIPE_BYTES);
  readonly #view = new DataView(this.#stripe.buffer);
  #bytes = 0;

  constructor() {
    [add(PRIME_1, PRIME_2), PRIME_2, [0, 0] as const, negate(PRIME_1)].forEach((lane, i) => {
      this.#lanes.set(lane, 2 * i);
    });
  }

  update(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const filled = this.#bytes % STRIPE_BYTES;
      const part = piece.subarray(at, at + STRIPE_BYTES - filled);
      this.#stripe.set(part, filled);
      this.#bytes += part.length;
      at += part.length;
      if (this.#bytes % STRIPE_BYTES === 0) this.#addStripe();
    }
  }

  /** @returns the hash, most significant byte first; more may be added afterwards */
  digest(): Uint8Array {
    let hash = add(this.#bytes < STRIPE_BYTES ? PRIME_5 : this.#converge(), wordOf(this.#bytes));
    const end = this.#bytes % STRIPE_BYTES;
    let at = 0;
    for (; at + 8 <= end; at += 8) {
      const input = multiply(rotate(multiply(this.#wordAt(at), PRIME_2), 31), PRIME_1);
      hash = add(multiply(rotate(xor(hash, input), 27), PRIME_1), PRIME_4);
    }
    for (; at + 4 <= end; at += 4) {
      const input = multiply([0, this.#view.getInt32(at, true)], PRIME_1);
      hash = add(multiply(rotate(xor(hash, input), 23), PRIME_2), PRIME_3);
    }
    for (; at < end; at++) {
      const input = multiply([0, this.#stripe[at] as number], PRIME_5);
      hash = multiply(rotate(xor(hash, input), 11), PRIME_1);
    }
    hash = multiply(xor(hash, shiftRight(hash, 33)), PRIME_2);
    hash = multiply(xor(hash, shiftRight(hash, 29)), PRIME_3);
    hash = xor(hash, shiftRight(hash, 32));
    const digest = new Uint8Array(8);
    const view = new DataView(digest.buffer);
    hash.forEach((half, i) => {
      view.setInt32(4 * i, half);
    });
    return digest;
  }

  #wordAt(at: number): Word {
    return [this.#view.getInt32(at + 4, true), this.#view.getInt32(at, true)];
  }

  #laneAt(lane: number): Word {
    return [this.#lanes[2 * lane] as number, this.#lanes[2 * lane + 1] as number];
  }

  #addStripe(): void {
    for (let lane = 0; lane < 4; lane++)
      this.#lanes.set(round(this.#laneAt(lane), this.#wordAt(8 * lane)), 2 * lane);
  }

  #converge(): Word {
    const lanes = [0, 1, 2, 3].map((lane) => this.#laneAt(lane));
    const turns = [1, 7, 12, 18];
    const sum = lanes.map((lane, i) => rotate(lane, turns[i] as number)).reduce(add);
    return lanes.reduce((hash, lane) => add(multiply(xor(hash, round([0, 0], lane)), PRIME_1), PRIME_4), sum);
  }
}

const wordOf = (whole: number): Word => [Math.floor(whole / 2 ** 32) | 0, whole | 0];

const round = (lane: Word, input: Word): Word =>
  multiply(rotate(add(lane, multiply(input, PRIME_2)), 31), PRIME_1);

const xor = (a: Word, b: Word): Word => [a[0] ^ b[0], a[1] ^ b[1]];

function add(a: Word, b: Word): Word {
  const low = (a[1] >>> 0) + (b[1] >>> 0);
  return [(a[0] + b[0] + (low > 0xffffffff ? 1 : 0)) | 0, low | 0];
}

const negate = (a: Word): Word => add([~a[0], ~a[1]], [0, 1]);

function multiply(a: Word, b: Word): Word {
  const [lowA, highA, lowB, highB] = [a[1] & 0xffff, a[1] >>> 16, b[1] & 0xffff, b[1] >>> 16];
  // Products of 16 bits, and sums of few of them, are exact.
  const middle = highA * lowB + ((lowA * lowB) >>> 16);
  const other = lowA * highB + (middle & 0xffff);
  const high = highA * highB + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
  return [(high + Math.imul(a[0], b[1]) + Math.imul(a[1], b[0])) | 0, Math.imul(a[1], b[1])];
}

/** @param bits 1 to 31 */
function rotate([high, low]: Word, bits: number): Word {
  const rest = 32 - bits;
  return [(high << bits) | (low >>> rest), (low << bits) | (high >>> rest)];
}

/** @param bits 1 to 63 */
function shiftRight([high, low]: Word, bits: number): Word {
  if (bits >= 32) return [0, high >>> (bits - 32)];
  return [high >>> bits, (low >>> bits) | (high << (32 - bits))];
}
