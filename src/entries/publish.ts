export { openRepositoryFolder, type RepositoryFiles } from '../publish/files.js';
export { initRepository } from '../publish/init-repository.js';
export { createKeyPair, openSigner, type Signer, writeKeyPair } from '../publish/keys.js';
export { type ReleaseDraft, signRelease } from '../publish/prove-release.js';
export { publishRelease } from '../publish/publish-release.js';
export { openRepository, writePublication } from '../publish/repository.js';
