import { mixedBytes } from '../trees/contents.js';
import { TreeWriter } from '../trees/writer.js';

/** When the small tree was last touched; its change comes a day later. */
export const smallTreeSeconds = 1_600_000_000;

/** The bytes of the regular files of the small tree, in all. */
export const smallTreeFileBytes = 6 + 0 + 70_000 + 150_000 + 10;

/** Fills a folder with a dozen entries: files of one block and of several, an odd name, a link, a FIFO. */
export function smallTree(folder: string): void {
  const tree = new TreeWriter(folder, smallTreeSeconds);
  tree.directory('.');
  tree.file('a', Buffer.from('small\n'));
  tree.file('empty', Buffer.alloc(0));
  tree.directory('sub/deep');
  tree.file('sub/b', mixedBytes('b', 70_000), { mode: 0o600 });
  tree.file('sub/c', mixedBytes('c', 150_000));
  tree.file('sub/deep/\xff odd\nname', mixedBytes('odd', 10));
  tree.symlink('link', 'sub/b');
  tree.fifo('fifo');
  tree.finish();
}

/** Changes the small tree: an edit, a growth, a deletion, a new file, another mode. */
export function changeSmallTree(folder: string): void {
  const tree = new TreeWriter(folder, smallTreeSeconds + 86_400);
  tree.file('a', Buffer.from('changed\n'));
  tree.file('sub/c', Buffer.concat([mixedBytes('c', 150_000), mixedBytes('more', 20_000)]));
  tree.remove('sub/b');
  tree.file('sub/new', mixedBytes('new', 5000));
  tree.attributes('empty', { mode: 0o400, mtimeSeconds: smallTreeSeconds });
  tree.finish();
}
