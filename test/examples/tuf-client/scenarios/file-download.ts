import { expect } from 'vitest';
import type { Scenario, Scenarios } from '../runner.js';
import { hashOf } from '../simulator.js';

const CONTENT = 'target file contents';
const OTHER = new TextEncoder().encode('malicious data');

const downloads =
  (path: string): Scenario =>
  async (client, repository) => {
    await client.init();
    repository.addArtifact('targets', path, CONTENT);
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(client.downloaded()).toEqual([]);
    expect(await client.download(path)).toBe(0);
    expect(client.downloaded()).toEqual([CONTENT]);
  };

const withHashes =
  (algorithms: string[]): Scenario =>
  async (client, repository) => {
    const bytes = repository.addArtifact('targets', 'target_file.txt', CONTENT, algorithms);
    repository.publish('targets', 'snapshot', 'timestamp', 'root');
    await client.init();
    expect(await client.download('target_file.txt')).toBe(0);
    const names = algorithms.map((name) => `${hashOf(name, bytes)}.target_file.txt`);
    expect(names).toContain(repository.downloads.join());
    expect(client.downloaded()).toEqual([CONTENT]);
  };

export const fileDownload: Scenarios = {
  test_client_downloads_expected_file: downloads('target_file.txt'),
  test_client_downloads_expected_file_in_sub_dir: downloads('path/to/a/target_file.txt'),

  async test_repository_substitutes_target_file(client, repository) {
    await client.init();
    repository.addArtifact('targets', 'first', CONTENT);
    repository.addArtifact('targets', 'second', 'content');
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('first')).toBe(0);
    for (const path of ['first', 'second']) repository.artifacts.set(path, OTHER);
    await client.download('first');
    expect(await client.download('second')).toBe(1);
    expect(client.downloaded()).toEqual([CONTENT]);
  },

  /** The client sees every fifth version; between them the repository serves what it has not signed. */
  async test_multiple_changes_to_target(client, repository) {
    await client.init();
    const kept: string[] = [];
    for (let i = 0; i < 11; i++) {
      repository.addArtifact('targets', 'target_file.txt', `modified file contents ${i}`);
      repository.addArtifact('targets', `new-target-${i}`, `new file contents ${i}`);
      repository.publish('targets', 'snapshot', 'timestamp');
      if (i % 5 !== 0) continue;
      expect(await client.download('target_file.txt')).toBe(0);
      expect(await client.download(`new-target-${i}`)).toBe(0);
      kept.push(`new file contents ${i}`);
      const expected = [...kept, `modified file contents ${i}`].sort();
      expect(client.downloaded().sort()).toEqual(expected);
      repository.artifacts.set('target_file.txt', OTHER);
      repository.publish('targets', 'snapshot', 'timestamp');
      await client.download('target_file.txt');
      expect(client.downloaded().sort()).toEqual(expected);
    }
  },

  'test_download_with_hash_algorithms[hashes0]': withHashes(['sha256']),
  'test_download_with_hash_algorithms[hashes1]': withHashes(['sha512']),
  'test_download_with_hash_algorithms[hashes2]': withHashes(['sha256', 'sha512']),

  async test_download_with_unknown_hash_algorithm(client, repository) {
    repository.addArtifact('targets', 'target_file.txt', CONTENT, ['sha512']);
    const target = repository.targets.targets['target_file.txt']!;
    target.hashes = { 'unknown-hash': target.hashes.sha512 as string };
    repository.publish('targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.download('target_file.txt')).toBe(1);
    expect(client.downloaded()).toEqual([]);
  },

  async test_artifact_cache(client, repository) {
    await client.init();
    repository.addArtifact('targets', 'target_file.txt', CONTENT);
    repository.publish('targets', 'snapshot', 'timestamp');
    for (let i = 0; i < 2; i++) expect(await client.download('target_file.txt')).toBe(0);
    expect(repository.downloads).toHaveLength(1);
    expect(client.downloaded()).toEqual([CONTENT]);
  },
};
