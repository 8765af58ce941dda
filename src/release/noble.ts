import { verifyAsync } from '@noble/ed25519';
import type { SignedMessage } from './ed25519.js';

/** @returns whether a signature is valid; whatever the package throws on malformed points means that it is not */
export async function nobleVerify({ publicKey, signature, message }: SignedMessage): Promise<boolean> {
  return verifyAsync(signature, message, publicKey, { zip215: false }).catch(() => false);
}
