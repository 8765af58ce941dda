import { createKeyPair, KEY_FILES, writeKeyPair } from '../../src/publish/keys.js';
import { defineCommand } from '../command.js';
import { printResult, remark } from '../io.js';

export const command = defineCommand({
  group: 'Publish releases',
  summary: 'Generate a key pair for signing releases',
  details: [
    'Writes the private key, readable only by its owner, to PATH.key.json, and the public key, for ' +
      'devices and repositories, to PATH.pub.json. Existing files are never replaced.',
  ],
  args: { action: { type: 'string', isRequired: true, choices: ['generate'], description: 'What to do' } },
  flags: {
    out: {
      type: 'string',
      placeholder: 'path',
      short: 'o',
      isRequired: true,
      description: 'Path of both files, without the extension',
    },
  },
  examples: [
    {
      description: 'Generate keys/targets.key.json and keys/targets.pub.json',
      run: 'keys generate -o keys/targets',
    },
  ],
  async handle(flags, io) {
    const pair = await createKeyPair();
    await writeKeyPair(flags.out, pair);
    const [privateFile, publicFile] = [flags.out + KEY_FILES.private, flags.out + KEY_FILES.public];
    const { keyid, publicKey } = pair;
    printResult(io, flags, {
      json: { keyid, public: publicKey.keyval.public, privateFile, publicFile },
      lines: [`key      ${keyid}`, `public   ${publicFile}`, `private  ${privateFile}`],
    });
    remark(io, flags, `keep ${privateFile} secret: everyone who has it can sign`);
  },
});
