// Reads a model in two copies whenever it is sent a line, prints `begin`, and then its fingerprint: node
// read-slots.mjs FOLDER. Ends with its input.
import { createInterface } from 'node:readline';
import { openNodeDisk } from '../../dist/src/entries/node.js';
import { openSlots } from '../../dist/src/entries/storage.js';
import { fingerprint, openContainer } from '../../dist/src/index.js';

const [folder] = process.argv.slice(2);
const disk = openNodeDisk(folder);
const openModel = (files) => openContainer(files, 'model.safetensors');
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write('begin\n');
  const store = await openSlots({ disk, folder: 'model', openModel }).open();
  process.stdout.write(`${await fingerprint(store)}\n`);
  await store.close();
}
await disk.close();
