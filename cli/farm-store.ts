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
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return FarmStore.open({ url, endpoint: AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined });
}
