// Keys, signatures and repositories of releases.

export { openRepositoryFolder, type RepositoryFiles } from '../publish/files.js';
export { initRepository } from '../publish/init-repository.js';
export { createKeyPair, type KeyPair, openSigner, type Signer, writeKeyPair } from '../publish/keys.js';
export { type ReleaseDraft, signRelease } from '../publish/prove-release.js';
export { publishRelease } from '../publish/publish-release.js';
export {
  openRepository,
  type Publication,
  type PublishOptions,
  type Repository,
  writePublication,
} from '../publish/repository.js';
