import { readFileSync } from 'node:fs';

const folder = new URL('../../../test/fuzz/samples/', import.meta.url);

/** What a real program wrote once: messages of gpg (passphrase `pw`), what it said of them, and files of gzip. */
export function sample(name: string): Buffer {
  return readFileSync(new URL(name, folder));
}
