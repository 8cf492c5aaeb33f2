import type { ByteStream } from '../base/bytes.js';

/**
 * The text of a manifest with other hashes for some of its volumes: those that were sealed anew. All else stays as it is,
 * byte by byte, the list of files and fields that nobody knows as well. Only what `ManifestParser` takes may be given: it
 * bounds the length of a line.
 *
 * @param sha1 by volume number, in hex; all hashes of such a volume give way to it
 */
export async function* withHashes(
  plain: ByteStream,
  sha1: ReadonlyMap<number, string>,
): AsyncGenerator<Uint8Array> {
  const edit = hashEditor(sha1);
  let tail = '';
  for await (const piece of plain) {
    const lines = (tail + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split(
      '\n',
    );
    tail = lines.pop() ?? '';
    const edited = lines.map((line) => edit(`${line}\n`)).join('');
    if (edited !== '') yield Buffer.from(edited, 'latin1');
  }
  if (tail !== '') yield Buffer.from(edit(`${tail}\n`), 'latin1');
}

/** Gives what stands in the place of a line; lines are taken as `ManifestParser` takes them. */
function hashEditor(sha1: ReadonlyMap<number, string>): (line: string) => string {
  let hex: string | undefined;
  let inFileList = false;
  return (line) => {
    if (inFileList && /^[\t-\r ]/.test(line)) return line;
    const field = /^[\t-\r ]*([^\t-\r ]+)/.exec(line)?.[1]?.toLowerCase();
    switch (field) {
      case 'volume':
        inFileList = false;
        hex = sha1.get(Number(/^volume ([0-9]+):/i.exec(line)?.[1]));
        return line;
      case 'filelist':
        inFileList = true;
        return line;
      case 'hash':
        return hex === undefined ? line : '';
      case 'endingpath':
        return hex === undefined ? line : `${line}    Hash SHA1 ${hex}\n`;
      default:
        return line;
    }
  };
}
