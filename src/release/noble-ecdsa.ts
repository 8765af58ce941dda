// Loaded where there is no WebCrypto. The package's module of all NIST curves would need `TextEncoder`.
import { ecdsa, weierstrass } from '@noble/curves/abstract/weierstrass.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** P-256 (NIST SP 800-186, 3.2.1.3): field, order, cofactor, coefficients and base point. */
const P256 = ecdsa(
  weierstrass({
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    h: 1n,
    a: 0xffffffff00000001000000000000000000000000fffffffffffffffffffffffcn,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    Gx: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    Gy: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  }),
  sha256,
);

/**
 * Verifies a signature.
 *
 * @param signed an uncompressed point of 65 bytes, r and s in 64 bytes, and the message
 */
export function verifyByNoble(signed: Record<'publicKey' | 'signature' | 'message', Uint8Array>): boolean {
  const { publicKey, signature, message } = signed;
  try {
    return P256.verify(signature, message, publicKey, { lowS: false });
  } catch {
    // Thrown for a point that is not on the curve.
    return false;
  }
}
