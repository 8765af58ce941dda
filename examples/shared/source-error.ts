/** Data that cannot be had as asked for. The message says what to install or to call instead; no stack is of use. */
export class SourceError extends Error {
  override readonly name: string = 'SourceError';
}
