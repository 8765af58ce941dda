import { useState } from 'preact/hooks';
import { bytesText } from './format.js';
import type { PickedFile } from './jobs.js';

interface FilePickerProps {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly picked: readonly PickedFile[];
  readonly onPick: (files: PickedFile[]) => void;
}

/** A field for the files of a model: chosen in a dialog, or dropped, also as a folder. */
export function FilePicker({ id, label, hint, picked, onPick }: FilePickerProps) {
  const [isOver, setOver] = useState(false);
  const size = picked.reduce((sum, { blob }) => sum + blob.size, 0);
  const shown = picked.length === 1 ? picked[0]?.path : `${picked.length} files`;
  const onDrop = async (event: DragEvent): Promise<void> => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer) onPick(await readDrop(event.dataTransfer));
  };
  const onDragOver = (event: DragEvent): void => {
    event.preventDefault();
    setOver(true);
  };
  return (
    <fieldset
      class={`picker${isOver ? ' over' : ''}`}
      onDragOver={onDragOver}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <label for={id}>{label}</label>
      <p class="hint">{hint}</p>
      <input
        id={id}
        type="file"
        multiple
        onChange={({ currentTarget }) =>
          onPick(Array.from(currentTarget.files ?? [], (file) => ({ path: file.name, blob: file })))
        }
      />
      <p class="picked">{picked.length === 0 ? 'Nothing chosen.' : `${shown}, ${bytesText(size)}`}</p>
    </fieldset>
  );
}

async function readDrop({ items, files }: DataTransfer): Promise<PickedFile[]> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  const [only] = entries;
  if (entries.length === 1 && only?.isDirectory) return readFolder(only as FileSystemDirectoryEntry);
  return Array.from(files, (file) => ({ path: file.name, blob: file }));
}

/** @returns the files of a folder, with their paths in it */
async function readFolder(folder: FileSystemDirectoryEntry, path = ''): Promise<PickedFile[]> {
  const reader = folder.createReader();
  const found: PickedFile[] = [];
  for (;;) {
    // Browsers list so many at a time, and nothing once they have listed all.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return found;
    for (const entry of entries) {
      const at = path + entry.name;
      if (entry.isDirectory) found.push(...(await readFolder(entry as FileSystemDirectoryEntry, `${at}/`)));
      else found.push({ path: at, blob: await fileOf(entry as FileSystemFileEntry) });
    }
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject));
