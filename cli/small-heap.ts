import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation at the size with which it began. It would grow to 16 MB for short-lived objects that are as well collected sooner:
 * a command that works through a large model piece by piece makes many of them, and next to none that last. A V8 without the
 * flag says so on stderr and goes on.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
