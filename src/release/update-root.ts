import { NeuralDiffError } from '../model/index.js';
import { checkSignatures, type Envelope, parseEnvelope } from './envelope.js';
import { parseRoot, type Root } from './metadata.js';
import { refuse } from './refusals.js';
import { fetchFile, isRotated, type Session } from './session.js';
import { checkNotExpired } from './verify-release.js';

/**
 * Finds the newest root: from the one that the program carries, over those that the device has stored, to those that the
 * repository has (TUF 5.2 and 5.3). The whole chain is verified each time, so that a damaged store cannot mislead.
 *
 * @throws NeuralDiffError `signature-invalid`, `metadata-rollback`, `metadata-expired`, `metadata-corrupt`, `limit-exceeded`,
 *   `unsupported-version`; whatever store and fetch throw
 */
export async function updateRoot(session: Session, builtIn: Uint8Array): Promise<Root> {
  // 5.2 Load the trusted root metadata.
  let root = await followStored(session, await openBuiltIn(session, builtIn));
  // 5.3.2 to 5.3.9 One version after the other; dates of those in between do not matter (5.3.6).
  for (let count = 0; count < session.limits.maxRootRotations; count++) {
    const name = nextName(root);
    const bytes = await fetchFile(session, name, session.limits.maxRootBytes);
    if (bytes === undefined) break;
    const next = await openNext(session, root, bytes);
    // 5.3.11 Recover from fast-forward attacks; before the root is persisted, so that a crash in between forgets nothing.
    if (isRotated(root, next, 'timestamp') || isRotated(root, next, 'snapshot')) await forget(session);
    // 5.3.8 Persist.
    await session.store.write(name, bytes);
    root = next;
  }
  // 5.3.10 Check for a freeze attack.
  checkNotExpired(root, `root metadata, version ${root.version},`, session.updateStart);
  return root;
}

/** The root that the program carries is trusted as it is; that it signs itself shows that it is whole. */
async function openBuiltIn(session: Session, bytes: Uint8Array): Promise<Root> {
  const envelope = openEnvelope(session, bytes, 'root of this program');
  const root = parseRoot(envelope.signed, envelope.what);
  await checkSignatures(envelope, root.roles.root, session.ed25519);
  return root;
}

/** Goes as far as the stored roots lead; what is damaged is removed and fetched again. */
async function followStored(session: Session, from: Root): Promise<Root> {
  let root = from;
  for (;;) {
    const name = nextName(root);
    const bytes = await session.store.read(name);
    if (bytes === undefined) return root;
    try {
      root = await openNext(session, root, bytes);
    } catch (error) {
      if (!(error instanceof NeuralDiffError)) throw error;
      await session.store.remove(name);
      return root;
    }
  }
}

async function openNext(session: Session, root: Root, bytes: Uint8Array): Promise<Root> {
  const envelope = openEnvelope(session, bytes, `metadata "${nextName(root)}"`);
  // 5.3.4 Check for an arbitrary software attack: the keys of both versions signed.
  await checkSignatures(envelope, root.roles.root, session.ed25519);
  const next = parseRoot(envelope.signed, envelope.what);
  await checkSignatures(envelope, next.roles.root, session.ed25519);
  // 5.3.5 Check for a rollback attack: no version is skipped either.
  if (next.version === root.version + 1) return next;
  const facts = { expected: root.version + 1, found: next.version };
  const message = `Cannot trust ${envelope.what}: expected version ${facts.expected}, got ${facts.found}`;
  throw refuse('metadata-rollback', message, facts);
}

function openEnvelope({ limits }: Session, bytes: Uint8Array, what: string): Envelope {
  return parseEnvelope(bytes, { what, maxBytes: limits.maxRootBytes });
}

async function forget({ store }: Session): Promise<void> {
  await store.remove('timestamp.json');
  await store.remove('snapshot.json');
}

function nextName(root: Root): string {
  return `${root.version + 1}.root.json`;
}
