export {
  type OutputFile,
  openRepositoryFolder,
  type RepositoryFiles,
  type StagedFiles,
  stageFiles,
  writeFiles,
} from './files.js';
export { initRepository, type RolePlan } from './init-repository.js';
export {
  createKeyPair,
  KEY_FILES,
  type KeyPair,
  openPublicKey,
  openSigner,
  type PrivateKey,
  type Signer,
  writeKeyPair,
} from './keys.js';
export { type NamedFile, proveRelease, type ReleaseDraft } from './prove-release.js';
export {
  publishRelease,
  type ReleasePublication,
  statementsOf,
  withdrawReleases,
} from './publish-release.js';
export { ONLINE_ROLES, type Rotation, refreshExpiry, rotateKeys } from './renew.js';
export {
  EXPIRY_DAYS,
  openRepository,
  type Publication,
  type PublishOptions,
  type Repository,
  writePublication,
} from './repository.js';
export { RELEASE_ENDING, signRelease } from './sign-release.js';
