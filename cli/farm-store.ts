import { FarmStore } from '../src/recipe/farm/store.js';

/**
 * Opens the store of a farm. The server of one on S3 is that of the usual variables; its client reads region
 * and credentials by itself.
 *
 * @throws as `FarmStore.open`
 */
export function openStore(url: string): Promise<FarmStore> {
  // What its client says of versions of Node.js would come between lines of progress on stderr.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  return FarmStore.open({ url, endpoint: endpointOf(process.env) });
}

/** @returns what other machines need of this one's environment to open a store, but for secrets */
export function storeEnv(url: string): Record<string, string> {
  if (!url.startsWith('s3://')) return {};
  const endpoint = endpointOf(process.env);
  const region = process.env.AWS_REGION;
  return { ...(endpoint && { AWS_ENDPOINT_URL: endpoint }), ...(region && { AWS_REGION: region }) };
}

function endpointOf({ AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL }: NodeJS.ProcessEnv): string | undefined {
  return AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined;
}
