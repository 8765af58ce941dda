import { type FilesFacts, openFrame, readMadeFiles } from '../src/apply/files/frame.js';
import { openFilesModel } from '../src/node/files-model.js';
import type { ByteSource } from '../src/payload/byte-source.js';
import type { OpenPayload } from '../src/payload/open-payload.js';
import { formatBytes } from './io.js';

/** What a payload of files makes; without the base only the files are known. */
type MadeFiles = { readonly filesBytes: number } & (Pick<FilesFacts, 'made'> | FilesFacts);

async function readMade(payload: OpenPayload, base: string | undefined): Promise<MadeFiles> {
  const filesBytes = (payload.files as ByteSource).length;
  if (base === undefined) return { filesBytes, made: readMadeFiles(payload.files as ByteSource) };
  const { store } = await openFilesModel(base, payload.header.layout);
  try {
    return { filesBytes, ...(await openFrame(store, payload)).facts };
  } finally {
    await store.close();
  }
}

function linesOf(files: MadeFiles): string[] {
  const made = files.made.map(
    (file) => `file         ${file.path}: ${file.bytes} bytes, sha256 ${file.sha256}`,
  );
  const head = [`record       files  ${formatBytes(files.filesBytes)}`, ...made];
  if (!('kept' in files)) return head;
  const against = files.usesBaseFiles ? ', coded against those of the base' : '';
  const counts = (['kept', 'coded', 'new'] as const).map((kind) => {
    const { tensors, bytes } = files[kind];
    return `${kind.padEnd(13)}${tensors} tensors, ${formatBytes(bytes)}`;
  });
  return [
    ...head,
    `structure    ${formatBytes(files.structureBytes)} outside of tensors${against}`,
    ...counts,
  ];
}

/**
 * Describes the files that a payload makes.
 *
 * @param base path of its base; without it only the files are known
 * @returns facts for programs, and lines for people
 */
export async function describeMade(
  payload: OpenPayload,
  base: string | undefined,
): Promise<{ facts: MadeFiles; lines: readonly string[] }> {
  const facts = await readMade(payload, base);
  return { facts, lines: linesOf(facts) };
}
