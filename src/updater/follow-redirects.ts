/** Redirects that are followed for one file; repositories need one or two. */
const MAX_REDIRECTS = 5;

/** Status codes of redirects with an address (RFC 9110, section 15.4). */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** A request for a file. */
interface FileRequest {
  readonly url: string;
  /** Headers of the program, perhaps with secrets: for the origin of `url` only. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that every server gets. */
  readonly publicHeaders: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Requests a file and follows redirects. The program's headers are not sent to another origin, and https is
 * not left.
 *
 * Browsers hide where a redirect leads to. There, redirects are followed by the browser if the program has no
 * headers, and refused otherwise.
 *
 * @returns the response, which is no redirect
 * @throws Error for a redirect that is not followed; errors of `send`
 */
export async function followRedirects(send: typeof fetch, request: FileRequest): Promise<Response> {
  let { url, headers } = request;
  for (let count = 0; count <= MAX_REDIRECTS; count++) {
    const ask = { ...request, url, headers };
    const response = await sendRequest(send, ask, 'manual');
    if (response.type === 'opaqueredirect') return await followInBrowser(send, ask);
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null) return response;
    await response.body?.cancel();
    const from = new URL(response.url || url);
    const to = new URL(location, from);
    checkTarget(from, to);
    if (to.origin !== from.origin) headers = {};
    url = to.href;
  }
  throw new Error(`expected at most ${MAX_REDIRECTS} redirects, got more`);
}

async function followInBrowser(send: typeof fetch, request: FileRequest): Promise<Response> {
  if (Object.keys(request.headers).length > 0)
    throw new Error(
      'the server redirects, and a browser would send `headers` to wherever that leads; ' +
        'use the final URL, or no headers',
    );
  const response = await sendRequest(send, request, 'follow');
  const [from, to] = [new URL(request.url, response.url), new URL(response.url)];
  checkTarget(from, to);
  return response;
}

function sendRequest(
  send: typeof fetch,
  { url, headers, publicHeaders, signal }: FileRequest,
  redirect: RequestRedirect,
): Promise<Response> {
  return send(url, {
    signal,
    headers: { ...publicHeaders, ...headers },
    redirect,
    // Avoid heuristic freshness of metadata and duplicate copies of files.
    cache: 'no-store',
  });
}

function checkTarget(from: URL, to: URL): void {
  const isWeb = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isWeb)
    throw new Error(`the server redirects from ${from.protocol} to ${to.protocol}, which is refused`);
}
