import { openPayloadFile } from '../src/node/read-payload.js';
import type { ByteSource } from '../src/payload/byte-source.js';

/** Opens a payload file, lets something use it, and closes it whatever happened. */
export async function withPayload<T>(path: string, use: (payload: ByteSource) => Promise<T>): Promise<T> {
  const payload = await openPayloadFile(path);
  try {
    return await use(payload);
  } finally {
    payload.close();
  }
}
