/** Checks an Ed25519 signature. Returns false for keys and signatures of invalid length or form. */
export type VerifyEd25519 = (signed: {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly message: Uint8Array;
}) => Promise<boolean>;

/** A message, the claimed signer's key and the signature. */
type SignedMessage = Parameters<VerifyEd25519>[0];

/** Bytes of an Ed25519 public key and of a signature (RFC 8032). */
export const [PUBLIC_KEY_BYTES, SIGNATURE_BYTES] = [32, 64];

/** The field's prime, the curve's d and the order of its base point (RFC 8032, section 5.1). */
const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/**
 * Checks a public key before any runtime uses it, since runtimes disagree about what they accept.
 *
 * @param publicKey 32 bytes
 * @returns whether it is the canonical encoding of a point on the curve that is not of small order; everybody
 *   can make signatures for points of small order
 */
export function isUsableKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || !isUsablePoint(publicKey)) return false;
  const square = modulo(yOf(publicKey) ** 2n);
  // x² = (y² - 1) / (d·y² + 1) has a root exactly if the product of both has one (Euler's criterion).
  return power(modulo((square - 1n) * modulo(D * square + 1n)), (P - 1n) / 2n) === 1n;
}

/**
 * @returns whether a point has a canonical y and is not one of the 8 points of small order: y = 0, y² = 1,
 *   or, as the double of the point has y = 0, d·y⁴ + 2·y² = 1
 */
function isUsablePoint(point: Uint8Array): boolean {
  const y = yOf(point);
  const square = modulo(y * y);
  return y < P && y !== 0n && square !== 1n && modulo(D * square * square + 2n * square) !== 1n;
}

/** @returns the y of an encoded point; the last bit is the sign of x */
const yOf = (point: Uint8Array): bigint => numberOf(point) & (2n ** 255n - 1n);

/** @returns bytes as a number, least significant byte first */
const numberOf = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

const modulo = (value: bigint): bigint => ((value % P) + P) % P;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [base, exponent]; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}

/**
 * Verifies with WebCrypto: Node.js, Chromium from 137, Firefox from 129, Safari from 17.
 *
 * @throws Error with the name `NotSupportedError` if there is no WebCrypto, or if it lacks Ed25519
 */
export const verifyByWebCrypto: VerifyEd25519 = async (signed) => {
  const { publicKey, signature, message } = signed;
  if (!isWellFormed(signed)) return false;
  if (!globalThis.crypto?.subtle) throw Object.assign(new Error('No WebCrypto'), { name: UNSUPPORTED });
  const [raw, bytes, data] = [publicKey, signature, message] as Uint8Array<ArrayBuffer>[];
  try {
    const key = await crypto.subtle.importKey('raw', raw!, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, bytes!, data!);
  } catch (error) {
    // A key that is not a point on the curve fails on import in some runtimes, on use in others.
    if (isUnsupported(error)) throw error;
    return false;
  }
};

/**
 * Verifies with `@noble/ed25519` and `@noble/hashes`, which are loaded on first use. Strict as in RFC 8032,
 * section 5.1.7: only canonical encodings of points and scalars.
 */
export const verifyByNoble: VerifyEd25519 = async (signed) => {
  if (!isWellFormed(signed)) return false;
  const { publicKey, signature, message } = signed;
  const { hashes, Point, verify } = await import('@noble/ed25519');
  hashes.sha512 ??= (await import('@noble/hashes/sha2.js')).sha512;
  // The package throws for malformed points, which means an invalid signature. It ignores parts of small
  // order, which WebCrypto does not.
  const isPure = (point: Uint8Array) => Point.fromBytes(point).isTorsionFree();
  try {
    const isValid = verify(signature, message, publicKey, { zip215: false });
    return isValid && isPure(publicKey) && isPure(signature.subarray(0, 32));
  } catch {
    return false;
  }
};

/**
 * @returns a function that verifies with `first`, or with `second` if the runtime does not support `first`
 */
export function withFallback(first: VerifyEd25519, second: VerifyEd25519): VerifyEd25519 {
  return (signed) =>
    first(signed).catch((error: unknown) => {
      if (!isUnsupported(error)) throw error;
      return second(signed);
    });
}

/**
 * Verifies an Ed25519 signature (RFC 8032) with WebCrypto, or with `@noble/ed25519` if WebCrypto lacks it.
 *
 * @returns whether the signature is valid; false unless the key has 32 and the signature 64 bytes in the one
 *   form that all runtimes accept
 */
export const verifyEd25519: VerifyEd25519 = withFallback(verifyByWebCrypto, verifyByNoble);

/** Checks what runtimes and packages check differently: both points, and that the scalar is reduced. */
function isWellFormed({ publicKey, signature }: SignedMessage): boolean {
  if (signature.length !== SIGNATURE_BYTES || !isUsableKey(publicKey)) return false;
  return isUsablePoint(signature.subarray(0, 32)) && numberOf(signature.subarray(32)) < ORDER;
}

/** The name of WebCrypto's error for what it lacks. */
const UNSUPPORTED = 'NotSupportedError';

function isUnsupported(error: unknown): boolean {
  return (error as Error | undefined)?.name === UNSUPPORTED;
}
