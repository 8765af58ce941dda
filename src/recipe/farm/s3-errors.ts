import { type ErrorCode, NeuralDiffError } from '../../model/errors.js';

/** What an error of the client says. */
interface S3Error extends Error {
  /** Set if the server has answered. */
  readonly $metadata?: { readonly httpStatusCode?: number };
  /** Of the system. */
  readonly code?: string;
}

const ACCESS =
  'check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and that they may list, read, write and delete in the bucket';

/** Errors by name: code, and what to do. */
const BY_NAME: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  NoSuchBucket: ['file-not-found', 'make the bucket, or check its name and AWS_ENDPOINT_URL'],
  PermanentRedirect: ['file-unreadable', 'the bucket is in another region: set AWS_REGION'],
  AuthorizationHeaderMalformed: ['file-unreadable', 'the bucket is in another region: set AWS_REGION'],
  CredentialsProviderError: ['file-unreadable', 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  ExpiredToken: ['file-unreadable', 'the credentials have expired: set new ones'],
  RequestTimeTooSkewed: ['file-unreadable', 'set the clock of this machine'],
  QuotaExceeded: ['no-space', 'remove files of the bucket, or raise its limit'],
};

/**
 * Runs an operation on a server with the interface of S3 and converts errors to `NeuralDiffError`.
 *
 * @param prefix start of the error message, for example `Cannot read "s3://bucket/file"`
 * @throws NeuralDiffError `network` if the server cannot be reached, breaks off or fails; `file-not-found`
 *   for a missing file or bucket; `file-unreadable` if access is refused; `no-space`; those of `operation`
 */
export async function withS3Errors<T>(prefix: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (cause instanceof NeuralDiffError) throw cause;
    const [code, why] = classify(cause as S3Error);
    throw new NeuralDiffError(code, `${prefix}: ${why}`, { cause });
  }
}

function classify(error: S3Error): readonly [ErrorCode, string] {
  const { name, $metadata } = error;
  // That of several failed connections is empty.
  const message = error.message || error.code || name;
  const status = $metadata?.httpStatusCode;
  const known = BY_NAME[name];
  if (known) return [known[0], `${message}; ${known[1]}`];
  if (message.startsWith('Region ')) return ['file-unreadable', `${message}; set AWS_REGION`];
  if (status === 404) return ['file-not-found', 'there is no such file'];
  if (status === 401 || status === 403) return ['file-unreadable', `access refused (${name}); ${ACCESS}`];
  if (status === 507) return ['no-space', message];
  // Too many requests, or a fault of the server: later it may be well.
  if (status === undefined || status === 429 || status >= 500) return ['network', message];
  return ['file-unreadable', `the server answered ${status}: ${message}`];
}
