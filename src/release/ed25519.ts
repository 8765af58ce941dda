/** Says whether an Ed25519 signature is the key's own. Keys and signatures of other lengths are not. */
export type VerifyEd25519 = (signed: {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly message: Uint8Array;
}) => Promise<boolean>;

/** A message, its claimed signer, and the signature. */
export type SignedMessage = Parameters<VerifyEd25519>[0];

/** Bytes of an Ed25519 public key and of a signature (RFC 8032). */
export const [PUBLIC_KEY_BYTES, SIGNATURE_BYTES] = [32, 64];

/**
 * Verifies by the runtime's WebCrypto: Node.js, Chromium from 137, Firefox from 129, Safari from 17.
 *
 * @throws DOMException `NotSupportedError` where WebCrypto lacks Ed25519
 */
export const verifyByWebCrypto: VerifyEd25519 = async (signed) => {
  const { publicKey, signature, message } = signed;
  if (!hasLengths(signed)) return false;
  const [raw, bytes, data] = [publicKey, signature, message] as Uint8Array<ArrayBuffer>[];
  try {
    const key = await crypto.subtle.importKey('raw', raw!, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, bytes!, data!);
  } catch (error) {
    // Some runtimes refuse a key that is no point of the curve when it is imported, others when it is used.
    if (isUnsupported(error)) throw error;
    return false;
  }
};

/**
 * Verifies by `@noble/ed25519`, which is loaded when it is first needed. Strict as RFC 8032, 5.1.7 has it: no other encoding
 * of a point or a scalar. SHA-512 is the runtime's.
 */
export const verifyByNoble: VerifyEd25519 = async (signed) => {
  if (!hasLengths(signed)) return false;
  const { publicKey, signature, message } = signed;
  const { verifyAsync } = await import('@noble/ed25519');
  // Whatever the package throws on malformed points means that the signature is not valid.
  return verifyAsync(signature, message, publicKey, { zip215: false }).catch(() => false);
};

/** @returns what asks one way to verify, and another where the runtime does not support the first */
export function withFallback(first: VerifyEd25519, second: VerifyEd25519): VerifyEd25519 {
  return (signed) =>
    first(signed).catch((error: unknown) => {
      if (!isUnsupported(error)) throw error;
      return second(signed);
    });
}

/**
 * Verifies an Ed25519 signature (RFC 8032): by WebCrypto, or by `@noble/ed25519` where WebCrypto lacks it.
 *
 * @returns whether the signature is valid; false for keys not of 32 and signatures not of 64 bytes
 */
export const verifyEd25519: VerifyEd25519 = withFallback(verifyByWebCrypto, verifyByNoble);

function hasLengths({ publicKey, signature }: SignedMessage): boolean {
  return publicKey.length === PUBLIC_KEY_BYTES && signature.length === SIGNATURE_BYTES;
}

function isUnsupported(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'NotSupportedError';
}
