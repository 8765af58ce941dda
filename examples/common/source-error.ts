/**
 * Data that cannot be had as asked for. The message says what to mend, install or call instead; no stack is
 * of use.
 */
export class SourceError<Code extends string> extends Error {
  override readonly name: string = 'SourceError';
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
