/** Checks an Ed25519 signature. Returns false for keys and signatures of invalid length. */
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

/**
 * Verifies with WebCrypto: Node.js, Chromium from 137, Firefox from 129, Safari from 17.
 *
 * @throws DOMException `NotSupportedError` if WebCrypto lacks Ed25519
 */
export const verifyByWebCrypto: VerifyEd25519 = async (signed) => {
  const { publicKey, signature, message } = signed;
  if (!hasLengths(signed)) return false;
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
 * Verifies with `@noble/ed25519`, which is loaded on first use. Strict as in RFC 8032, section 5.1.7: only
 * canonical encodings of points and scalars. Uses the runtime's SHA-512.
 */
export const verifyByNoble: VerifyEd25519 = async (signed) => {
  if (!hasLengths(signed)) return false;
  const { publicKey, signature, message } = signed;
  const { verifyAsync } = await import('@noble/ed25519');
  // The package throws for malformed points, which means an invalid signature.
  return verifyAsync(signature, message, publicKey, { zip215: false }).catch(() => false);
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
 * @returns whether the signature is valid; false unless the key has 32 and the signature 64 bytes
 */
export const verifyEd25519: VerifyEd25519 = withFallback(verifyByWebCrypto, verifyByNoble);

function hasLengths({ publicKey, signature }: SignedMessage): boolean {
  return publicKey.length === PUBLIC_KEY_BYTES && signature.length === SIGNATURE_BYTES;
}

function isUnsupported(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'NotSupportedError';
}
