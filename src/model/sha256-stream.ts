/**
 * The first 32 bits of the fractions of the square roots (start) and cube roots (rounds) of the first primes.
 */
const PRIMES = firstPrimes(64);
const START = PRIMES.slice(0, 8).map((prime) => fractionBits(prime ** (1 / 2)));
const ROUNDS = Int32Array.from(PRIMES, (prime) => fractionBits(prime ** (1 / 3)));

const BLOCK_BYTES = 64;

/** Incremental SHA-256 (FIPS 180-4), which WebCrypto lacks. */
export class Sha256Stream {
  readonly #state = Int32Array.from(START);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #view = new DataView(this.#block.buffer);
  readonly #schedule = new Int32Array(64);
  #bytes = 0;

  /** Adds a piece of any length. */
  add(piece: Uint8Array): void {
    const filled = this.#bytes % BLOCK_BYTES;
    this.#bytes += piece.length;
    let at = 0;
    if (filled > 0) {
      const part = piece.subarray(0, BLOCK_BYTES - filled);
      this.#block.set(part, filled);
      at = part.length;
      if (filled + at === BLOCK_BYTES) this.#compress(this.#view, 0);
    }
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
    for (; at + BLOCK_BYTES <= piece.length; at += BLOCK_BYTES) this.#compress(view, at);
    if (at < piece.length) this.#block.set(piece.subarray(at));
  }

  /** @returns the digest, 32 bytes; no more pieces may be added */
  finish(): Uint8Array {
    const bits = 8 * this.#bytes;
    const padding = new Uint8Array(((119 - (this.#bytes % BLOCK_BYTES)) % BLOCK_BYTES) + 9);
    padding[0] = 0x80;
    const tail = new DataView(padding.buffer, padding.length - 8);
    tail.setUint32(0, Math.floor(bits / 2 ** 32));
    tail.setUint32(4, bits % 2 ** 32);
    this.add(padding);
    const digest = new Uint8Array(32);
    const view = new DataView(digest.buffer);
    this.#state.forEach((word, i) => {
      view.setInt32(4 * i, word);
    });
    return digest;
  }

  /** Adds the block that begins at a byte of the view. */
  #compress(view: DataView, at: number): void {
    const w = this.#schedule;
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(at + 4 * t);
    for (let t = 16; t < 64; t++) {
      const low = smallSigma0(w[t - 15] as number);
      const high = smallSigma1(w[t - 2] as number);
      w[t] = (high + (w[t - 7] as number) + low + (w[t - 16] as number)) | 0;
    }
    const s = this.#state;
    // Spelt out: destructuring and `forEach` take twice as long.
    let a = s[0] as number;
    let b = s[1] as number;
    let c = s[2] as number;
    let d = s[3] as number;
    let e = s[4] as number;
    let f = s[5] as number;
    let g = s[6] as number;
    let h = s[7] as number;
    for (let t = 0; t < 64; t++) {
      const choice = g ^ (e & (f ^ g));
      const majority = (a & b) | (c & (a | b));
      const second = (bigSigma0(a) + majority) | 0;
      const first = (h + bigSigma1(e) + choice + (ROUNDS[t] as number) + (w[t] as number)) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    s[0] = (s[0] as number) + a;
    s[1] = (s[1] as number) + b;
    s[2] = (s[2] as number) + c;
    s[3] = (s[3] as number) + d;
    s[4] = (s[4] as number) + e;
    s[5] = (s[5] as number) + f;
    s[6] = (s[6] as number) + g;
    s[7] = (s[7] as number) + h;
  }
}

// The functions of the standard's section 4.1.2, with rotations spelt out: calls take half as long again.

function bigSigma0(x: number): number {
  return ((x >>> 2) | (x << 30)) ^ ((x >>> 13) | (x << 19)) ^ ((x >>> 22) | (x << 10));
}

function bigSigma1(x: number): number {
  return ((x >>> 6) | (x << 26)) ^ ((x >>> 11) | (x << 21)) ^ ((x >>> 25) | (x << 7));
}

function smallSigma0(x: number): number {
  return ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
}

function smallSigma1(x: number): number {
  return ((x >>> 17) | (x << 15)) ^ ((x >>> 19) | (x << 13)) ^ (x >>> 10);
}

function fractionBits(root: number): number {
  return ((root % 1) * 2 ** 32) | 0;
}

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}
