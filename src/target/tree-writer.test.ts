import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { Attributes } from '../base/attributes.js';
import {
  diskPath,
  keyOfSlashPath,
  type Latin1,
  latin1OfNative,
  type PathKey,
  pathTo,
} from '../base/path-key.js';
import { runMark } from '../base/run-mark.js';
import { TreeWriter, type TreeWriterOptions } from './tree-writer.js';

const isRoot = process.geteuid?.() === 0;
/** Owner and group that the tests' own entries have. */
const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const noOwners: TreeWriterOptions['owners'] = { userId: () => undefined, groupId: () => undefined };

function attributes(values: Partial<Attributes> = {}): Attributes {
  return {
    type: 'file',
    mode: 0o644,
    ...own,
    uname: '',
    gname: '',
    mtimeSeconds: 1_000_000_000,
    linkTarget: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...values,
  };
}

const directory = attributes({ type: 'directory', mode: 0o755 });
const linkTo = (linkTarget: Latin1) => attributes({ type: 'symlink', linkTarget });

class Place {
  readonly folder: string;
  readonly root: string;
  /** What lies beside the root and must stay as it is. */
  readonly outside: string;
  readonly warnings: string[] = [];
  /** Paths that got no set-id bits. */
  readonly withoutSetId: string[] = [];

  constructor(t: Pick<TestContext, 'after'>) {
    this.folder = mkdtempSync(join(tmpdir(), 'tundra-target-'));
    this.root = join(this.folder, 'root');
    this.outside = join(this.folder, 'outside');
    mkdirSync(this.outside);
    writeFileSync(join(this.outside, 'b'), 'untouched');
    // Not rmSync, which stops at folders without permissions.
    t.after(() =>
      spawnSync('sh', ['-c', 'chmod -R u+rwx "$1"; rm -rf "$1"', 'sh', this.folder], { stdio: 'ignore' }),
    );
  }

  writer(options: Partial<TreeWriterOptions> = {}): TreeWriter {
    return new TreeWriter(latin1OfNative(this.root), {
      owners: noOwners,
      numericOwner: false,
      onWarning: (key, text) => this.warnings.push(`${key.replaceAll('\0', '/')}: ${text}`),
      onSetIdLeftOut: (key) => this.withoutSetId.push(key.replaceAll('\0', '/')),
      ...options,
    });
  }

  onDisk(path: Latin1): string | Buffer {
    return diskPath(`${latin1OfNative(this.root)}/${path}`);
  }

  stat(path: Latin1) {
    return lstatSync(this.onDisk(path));
  }

  /** All paths below the root, with what kind each is and what it holds. */
  tree(): string[] {
    return list(this.root);
  }

  assertUntouched(): void {
    assert.deepEqual(list(this.outside), ['b = untouched']);
  }
}

function list(folder: string): string[] {
  const found: string[] = [];
  const visit = (onDisk: Latin1, path: Latin1) => {
    for (const name of readdirSync(diskPath(onDisk), { encoding: 'latin1' }).sort()) {
      const child = `${onDisk}/${name}`;
      const stats = lstatSync(diskPath(child));
      const shown = path === '' ? name : `${path}/${name}`;
      if (stats.isDirectory()) found.push(`${shown}/`);
      else if (stats.isSymbolicLink()) found.push(`${shown} -> ${readlinkSync(diskPath(child), 'latin1')}`);
      else if (stats.isFile()) found.push(`${shown} = ${readFileSync(diskPath(child), 'latin1')}`);
      else found.push(`${shown} special`);
      if (stats.isDirectory()) visit(child, shown);
    }
  };
  visit(latin1OfNative(folder), '');
  return found;
}

function writeFile(
  writer: TreeWriter,
  key: PathKey,
  text: string,
  values: Partial<Attributes> = {},
  isAtHand = true,
): void {
  const file = writer.file(key, attributes(values), isAtHand);
  try {
    file.write(Buffer.from(text, 'latin1'));
    file.commit();
  } catch (error) {
    file.abort();
    throw error;
  }
}

function ownerAndMode(place: Place, path: Latin1) {
  const { uid, gid, mode } = place.stat(path);
  return { uid, gid, mode: mode & 0o7777 };
}

/** Runs without the rights of root. */
function asNobody(place: Place, action: () => void): void {
  chmodSync(place.folder, 0o777);
  if (isRoot) process.seteuid?.(65534);
  try {
    action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('TreeWriter', () => {
  it('writes every kind of entry, names of any bytes among them', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.directory('', directory);
    writeFile(writer, 'empty', '');
    writer.directory('d\xff', directory);
    writeFile(writer, keyOfSlashPath('d\xff/\xfe\n'), '\x00\xff');
    writer.special(keyOfSlashPath('d\xff/fifo'), attributes({ type: 'fifo', mode: 0o620 }));
    writer.special(keyOfSlashPath('d\xff/link'), linkTo('nowhere/\xfd'));
    writeFile(writer, 'n'.repeat(255), 'long name');
    writer.finish();
    assert.deepEqual(place.tree(), [
      'd\xff/',
      'd\xff/fifo special',
      'd\xff/link -> nowhere/\xfd',
      'd\xff/\xfe\n = \x00\xff',
      'empty = ',
      `${'n'.repeat(255)} = long name`,
    ]);
    const fifo = place.stat('d\xff/fifo');
    assert.ok(fifo.isFIFO());
    assert.equal(fifo.mode & 0o7777, 0o620);
    assert.equal(fifo.mtimeMs, 1e12);
    assert.deepEqual(place.warnings, []);
  });

  it('gives directories their attributes when their contents are written', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    const times = { root: 1e9, locked: 1.1e9, inner: 1.2e9, file: 1.3e9 };
    writer.directory('', { ...directory, mtimeSeconds: times.root });
    writer.directory('locked', { ...directory, mode: 0, mtimeSeconds: times.locked });
    writer.directory('locked\0inner', { ...directory, mode: 0o1555, mtimeSeconds: times.inner });
    writeFile(writer, 'locked\0inner\0file', 'x', { mode: 0o400, mtimeSeconds: times.file });
    assert.equal(place.stat('locked').mode & 0o7777, 0o700);
    writeFile(writer, 'z', '');
    assert.equal(place.stat('locked').mode & 0o7777, 0);
    writer.finish();
    chmodSync(place.onDisk('locked'), 0o700);
    const found = ['', 'locked', 'locked/inner', 'locked/inner/file'].map((path) => {
      const { mode, mtimeMs } = place.stat(path);
      return [mode & 0o7777, mtimeMs / 1000];
    });
    assert.deepEqual(found, [
      [0o755, times.root],
      [0o700, times.locked],
      [0o1555, times.inner],
      [0o400, times.file],
    ]);
    assert.deepEqual(place.warnings, []);
  });

  it('keeps the set-id bits through the change of owner', { skip: !isRoot && 'only root may' }, (t) => {
    const place = new Place(t);
    const writer = place.writer();
    const odd = { uid: 12345, gid: 54321 };
    writer.directory('', directory);
    writer.directory('d', { ...directory, ...odd, mode: 0o3775 });
    writeFile(writer, 'd\0f', 'x', { ...odd, mode: 0o6755 });
    writer.special('d\0p', attributes({ ...odd, type: 'fifo', mode: 0o4600 }));
    writer.special('l', { ...linkTo('x'), ...odd });
    writer.finish();
    for (const [path, mode] of [
      ['d', 0o3775],
      ['d/f', 0o6755],
      ['d/p', 0o4600],
      ['l', 0o777],
    ] as const) {
      const stats = place.stat(path);
      assert.deepEqual([stats.uid, stats.gid, stats.mode & 0o7777], [12345, 54321, mode], path);
    }
    assert.deepEqual(place.withoutSetId, []);
  });

  it('sets no set-id bits where it restores no owners', (t) => {
    const place = new Place(t);
    const writer = place.writer({ owners: undefined });
    writer.directory('', { ...directory, mode: 0o2755 });
    writer.directory('d', { ...directory, mode: 0o3775 });
    writeFile(writer, 'd\0f', 'x', { mode: 0o6755 });
    writer.special('d\0p', attributes({ type: 'fifo', mode: 0o4600 }));
    writeFile(writer, 'g', 'x', { mode: 0o755 });
    writer.finish();
    const modes = ['', 'd', 'd/f', 'd/p', 'g'].map((path) => place.stat(path).mode & 0o7777);
    assert.deepEqual(modes, [0o755, 0o1775, 0o755, 0o600, 0o755]);
    assert.deepEqual(place.withoutSetId, ['d/f', 'd/p', 'd', '']);
    assert.deepEqual(place.warnings, []);
  });

  it('sets no set-id bits where the owner cannot be set, but on files of the same owner', (t) => {
    const place = new Place(t);
    const me = isRoot ? { uid: 65534, gid: 0 } : own;
    asNobody(place, () => {
      const writer = place.writer();
      writer.directory('', { ...directory, ...me });
      writeFile(writer, 'f', 'x', { uid: 1, gid: 1, mode: 0o6755 });
      writeFile(writer, 'own', 'x', { ...me, mode: 0o4755 });
      writer.finish();
    });
    assert.deepEqual(
      ['f', 'own'].map((path) => place.stat(path).mode & 0o7777),
      [0o755, 0o4755],
    );
    assert.deepEqual(place.withoutSetId, ['f']);
  });

  it('leaves each file with its owner, whoever owns what is new in its folder', {
    skip: !isRoot && 'only root may',
  }, (t) => {
    const place = new Place(t);
    mkdirSync(join(place.root, 'd'), { recursive: true });
    chownSync(join(place.root, 'd'), 1111, 2222);
    chmodSync(join(place.root, 'd'), 0o2777);
    const inFolder = { uid: own.uid, gid: 2222 };
    const cases = {
      own,
      'of the folder': inFolder,
      other: { uid: 1111, gid: 2222 },
      third: { uid: 3, gid: own.gid },
    };
    const writer = place.writer();
    writer.directory('', directory);
    for (const folder of ['d', 'd\0made here']) {
      writer.directory(folder, { ...directory, ...inFolder, mode: 0o2755 });
      for (const [name, owner] of Object.entries(cases)) {
        for (const turn of [1, 2])
          writeFile(writer, `${folder}\0${name} ${turn}`, 'x', { ...owner, mode: 0o6755 });
      }
    }
    writer.finish();
    for (const folder of ['d', 'd/made here']) {
      assert.deepEqual(ownerAndMode(place, folder), { ...inFolder, mode: 0o2755 });
      for (const [name, owner] of Object.entries(cases)) {
        for (const turn of [1, 2])
          assert.deepEqual(
            ownerAndMode(place, `${folder}/${name} ${turn}`),
            { ...owner, mode: 0o6755 },
            name,
          );
      }
    }
  });

  it('does not count on a folder of others to stay as it is', { skip: !isRoot && 'only root may' }, (t) => {
    const place = new Place(t);
    mkdirSync(join(place.root, 'd'), { recursive: true });
    chownSync(join(place.root, 'd'), 1111, 2222);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', directory);
    writeFile(writer, 'd\0a', 'x');
    // Its owner gives all that is new in it to a group of theirs.
    chmodSync(join(place.root, 'd'), 0o2777);
    writeFile(writer, 'd\0b', 'for this group only', { mode: 0o640 });
    writer.finish();
    assert.deepEqual(ownerAndMode(place, 'd/b'), { ...own, mode: 0o640 });
  });

  it('maps owners by name, else by number, if it may', { skip: !isRoot && 'only root may' }, (t) => {
    const owners = {
      userId: (name: string) => (name === 'me' ? 1111 : undefined),
      groupId: (name: string) => (name === 'us' ? 2222 : undefined),
    };
    const entry = { uid: 3333, gid: 4444, uname: 'me', gname: 'us' };
    for (const [options, expected] of [
      [{ owners }, [1111, 2222]],
      [{ owners, numericOwner: true }, [3333, 4444]],
      [{ owners: noOwners }, [3333, 4444]],
      [{ owners: undefined }, [own.uid, own.gid]],
    ] as const) {
      const place = new Place(t);
      const writer = place.writer(options);
      writeFile(writer, 'f', '', entry);
      writer.finish();
      const { uid, gid } = place.stat('f');
      assert.deepEqual([uid, gid], expected);
    }
  });

  it('gives a directory that was there to its owner, and its contents too', {
    skip: !isRoot && 'only root may',
  }, (t) => {
    const place = new Place(t);
    mkdirSync(join(place.root, 'd'), { recursive: true });
    chownSync(join(place.root, 'd'), 1111, 2222);
    // What is made in here gets the group of the folder.
    chmodSync(join(place.root, 'd'), 0o2777);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', directory);
    writeFile(writer, 'd\0f', '');
    writer.finish();
    for (const path of ['d', 'd/f']) {
      const { uid, gid } = place.stat(path);
      assert.deepEqual([uid, gid], [own.uid, own.gid], path);
    }
  });

  it('tells of attributes it cannot set, and goes on', (t) => {
    const place = new Place(t);
    asNobody(place, () => {
      const writer = place.writer();
      writer.directory('', { ...directory, uid: 65534, gid: 65534 });
      writeFile(writer, 'f', 'x', { uid: 1, gid: 1, mode: 0o600 });
      writer.finish();
    });
    assert.deepEqual(
      place.warnings.filter((text) => text.startsWith('f: ')).map((text) => text.replace(/EPERM.*/, 'EPERM')),
      ['f: cannot set owner 1:1 (only root may): EPERM'],
    );
    assert.deepEqual(list(place.root), ['f = x']);
    assert.equal(place.stat('f').mtimeMs, 1e12);
  });

  it('shows a file under its name only when it is whole', (t) => {
    const place = new Place(t);
    mkdirSync(place.root);
    writeFileSync(join(place.root, 'f'), 'old');
    const writer = place.writer();
    const file = writer.file('f', attributes());
    file.write(Buffer.from('ne'));
    assert.equal(readFileSync(join(place.root, 'f'), 'latin1'), 'old');
    file.write(Buffer.from('w'));
    file.commit();
    assert.deepEqual(place.tree(), ['f = new']);
  });

  it('makes at its place what is at hand, where nothing can be, and nowhere else', (t) => {
    const place = new Place(t);
    mkdirSync(join(place.root, 'old'), { recursive: true });
    writeFileSync(join(place.root, 'old/f'), 'old');
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('new', directory);
    const begun = writer.file('new\0f', attributes(), true);
    begun.write(Buffer.from('half'));
    assert.deepEqual(place.tree(), ['new/', 'new/f = half', 'old/', 'old/f = old']);
    begun.abort();
    assert.deepEqual(place.tree(), ['new/', 'old/', 'old/f = old']);
    writeFile(writer, 'new\0f', 'first');
    writeFile(writer, 'new\0f', 'second', { mode: 0o600 });
    assert.equal(place.stat('new/f').mode & 0o777, 0o600);
    writer.directory('old', directory);
    const other = writer.file('old\0f', attributes(), true);
    other.write(Buffer.from('half'));
    assert.equal(readFileSync(join(place.root, 'old/f'), 'latin1'), 'old');
    other.abort();
    writer.finish();
    assert.deepEqual(place.tree(), ['new/', 'new/f = second', 'old/', 'old/f = old']);
  });

  it('leaves no file and no handle behind when one is given up', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    const before = readdirSync('/proc/self/fd').length;
    const file = writer.file('f', attributes());
    file.write(Buffer.from('half'));
    file.abort();
    file.abort();
    assert.deepEqual(place.tree(), []);
    const gone = writer.file('g', attributes());
    rmSync(place.root, { recursive: true });
    assert.throws(() => gone.commit(), { code: 'ENOENT' });
    gone.abort();
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('never meets what a run before it left, though it had the same process id', (t) => {
    const place = new Place(t);
    place.writer().file('f', attributes()).write(Buffer.from('broken off'));
    const writer = place.writer();
    writeFile(writer, 'f', 'new');
    writer.special('l', linkTo('x'));
    writer.finish();
    assert.equal(place.tree().length, 3);
    assert.ok(place.tree().includes('f = new'));
  });

  it('removes what killed runs left in folders it writes to, and nothing else', (t) => {
    const place = new Place(t);
    const [host, pid, start] = runMark().split('.');
    const dead = spawnSync('true').pid;
    const ended = `.tundra-restore.${host}.${dead}.${start}.0123456789ab.0`;
    const stays = [
      `.tundra-restore.${host}.${pid}.${start}.0123456789ab.0`,
      `.tundra-restore.00000000.${dead}.${start}.0123456789ab.0`,
      '.tundra-restore.mine',
    ].sort();
    for (const folder of ['', 'd', 'missing', 'untouched']) {
      mkdirSync(join(place.root, folder), { recursive: true });
      for (const name of [ended, ...stays]) writeFileSync(join(place.root, folder, name), '');
    }
    symlinkSync(join(place.outside, 'b'), join(place.root, ended.replace(/0$/, '1')));
    writeFileSync(join(place.folder, ended), '');
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', directory);
    writeFile(writer, 'missing\0f', 'x');
    writer.finish();
    const left = (folder: string) =>
      readdirSync(join(place.root, folder)).filter((name) => name.startsWith('.'));
    for (const folder of ['', 'd', 'missing']) assert.deepEqual(left(folder).sort(), stays, folder);
    assert.equal(left('untouched').length, 4);
    place.assertUntouched();
    // What is restored to a single name is made beside it.
    rmSync(place.root, { recursive: true });
    writeFile(place.writer(), '', 'alone');
    assert.deepEqual(readdirSync(place.folder).sort(), ['outside', 'root']);
  });

  it('leaves what another user left', { skip: !isRoot && 'only root may' }, (t) => {
    const place = new Place(t);
    const [host, , start] = runMark().split('.');
    const name = `.tundra-restore.${host}.${spawnSync('true').pid}.${start}.0123456789ab.0`;
    mkdirSync(place.root);
    writeFileSync(join(place.root, name), '');
    chownSync(join(place.root, name), 12_345, 12_345);
    const writer = place.writer();
    writer.directory('', directory);
    writer.finish();
    assert.deepEqual(readdirSync(place.root), [name]);
  });

  it('makes the directories above a path that the backup does not hold, for their owner only', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writeFile(writer, 'a\0b\0c', 'x');
    writer.special('a\0l', linkTo('x'));
    writer.finish();
    assert.deepEqual(place.tree(), ['a/', 'a/b/', 'a/b/c = x', 'a/l -> x']);
    for (const path of ['', 'a', 'a/b']) assert.equal(place.stat(path).mode & 0o777, 0o700);
  });

  it('takes a directory that is there, with what is in it', (t) => {
    const place = new Place(t);
    mkdirSync(join(place.root, 'd'), { recursive: true });
    writeFileSync(join(place.root, 'd', 'other'), 'stays');
    chmodSync(join(place.root, 'd'), 0o700);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', directory);
    writeFile(writer, 'd\0f', 'x');
    writer.finish();
    assert.deepEqual(place.tree(), ['d/', 'd/f = x', 'd/other = stays']);
    assert.equal(place.stat('d').mode & 0o777, 0o755);
  });

  it('opens a directory that is closed to its owner, as a restore before it may have left it', (t) => {
    const place = new Place(t);
    asNobody(place, () => {
      mkdirSync(join(place.root, 'd'), { recursive: true });
      chmodSync(join(place.root, 'd'), 0);
      const writer = place.writer({ owners: undefined });
      writer.directory('', directory);
      writer.directory('d', { ...directory, mode: 0o500 });
      writeFile(writer, 'd\0f', 'x');
      writer.finish();
    });
    assert.deepEqual(place.tree(), ['d/', 'd/f = x']);
    assert.equal(place.stat('d').mode & 0o777, 0o500);
    assert.deepEqual(place.warnings, []);
  });

  it('puts an entry of any kind in the place of any other', (t) => {
    const kinds = ['file', 'directory', 'link', 'fifo'] as const;
    for (const [before, now] of kinds.flatMap((one) => kinds.map((other) => [one, other] as const))) {
      const place = new Place(t);
      mkdirSync(place.root);
      const path = join(place.root, 'x');
      if (before === 'file') writeFileSync(path, 'old');
      else if (before === 'link') symlinkSync(place.outside, path);
      else if (before === 'fifo') spawnSync('mkfifo', [path]);
      else mkdirSync(join(path, 'deep', 'er'), { recursive: true });
      const writer = place.writer();
      writer.directory('', directory);
      if (now === 'file') writeFile(writer, 'x', 'new');
      else if (now === 'link') writer.special('x', linkTo('new'));
      else if (now === 'fifo') writer.special('x', attributes({ type: 'fifo' }));
      else {
        writer.directory('x', directory);
        writeFile(writer, 'x\0b', 'new');
      }
      writer.finish();
      const expected = {
        file: ['x = new'],
        link: ['x -> new'],
        fifo: ['x special'],
        directory: ['x/', 'x/b = new', ...(before === 'directory' ? ['x/deep/', 'x/deep/er/'] : [])],
      };
      assert.deepEqual(place.tree(), expected[now], `${now} in the place of ${before}`);
      place.assertUntouched();
    }
  });

  it('does not count trouble with one directory for the path that comes next', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', directory);
    rmSync(join(place.root, 'd'), { recursive: true });
    writeFile(writer, 'e', 'x');
    writer.finish();
    assert.deepEqual(place.tree(), ['e = x']);
    assert.match(place.warnings.join('\n'), /^d: cannot set attributes: ENOENT/);
  });

  it('says what is wrong with a path alone, so that the others can be restored', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.directory('', directory);
    assert.throws(() => writer.special('l', linkTo('')), { code: 'ENOENT' });
    assert.throws(() => writer.file(`${'n'.repeat(256)}\0x`, attributes()), { code: 'ENAMETOOLONG' });
    writeFile(writer, 'f', 'x');
    writer.finish();
    assert.deepEqual(place.tree(), ['f = x']);
  });

  it('makes devices only where it may, and says so else', (t) => {
    const place = new Place(t);
    const device = attributes({ type: 'char-device', mode: 0o640, deviceMajor: 1, deviceMinor: 3 });
    asNobody(place, () => {
      const writer = place.writer({ owners: undefined });
      assert.throws(() => writer.special('null', device), { code: 'EPERM', message: /only root may/ });
      const odd = { ...device, type: 'block-device', deviceMajor: 2 ** 32 - 1 } as const;
      assert.throws(() => writer.special('odd', odd), { code: 'EPERM' });
      writer.finish();
    });
    assert.deepEqual(place.tree(), []);
    if (!isRoot || spawnSync('mknod', [join(place.folder, 'trial'), 'c', '1', '3']).status !== 0) return;
    const writer = place.writer();
    writer.special('null', device);
    const { rdev, mode } = place.stat('null');
    assert.deepEqual([rdev, mode & 0o7777], [(1 << 8) | 3, 0o640]);
  });
});

describe('two TreeWriters side by side', () => {
  /** Two writers of one tree, as for the paths up to `bound` and for those behind it. */
  function writersOf(place: Place, bound: PathKey, beforeReplacing: () => void = () => {}) {
    const shared = new Set(pathTo(bound));
    return [place.writer({ shared, beforeReplacing }), place.writer({ shared })] as const;
  }

  /** Ends the work of both, as the later one does first. */
  function finish(...[first, second]: readonly TreeWriter[]) {
    second?.finish();
    second?.finishShared();
    first?.finish();
    first?.finishShared();
  }

  it('give a directory in which both work its attributes at the very end', (t) => {
    const place = new Place(t);
    const [first, second] = writersOf(place, 'd\0b');
    const times = { root: 1.1e9, d: 1.2e9, own: 1.3e9 };
    writeFile(second, 'd\0c', '2');
    first.directory('', { ...directory, mtimeSeconds: times.root });
    first.directory('a', { ...directory, mode: 0o711, mtimeSeconds: times.own });
    writeFile(first, 'a\0x', '1');
    first.directory('d', { ...directory, mode: 0o500, mtimeSeconds: times.d });
    writeFile(first, 'd\0b', '1');
    first.finish();
    const found = (path: string) => [place.stat(path).mode & 0o777, place.stat(path).mtimeMs / 1000];
    assert.deepEqual(found('a'), [0o711, times.own]);
    assert.equal(found('d')[0], 0o700);
    assert.equal(found('')[0], 0o700);
    writeFile(second, 'd\0e', '2');
    second.directory('z', { ...directory, mode: 0o711, mtimeSeconds: times.own });
    second.finish();
    second.finishShared();
    assert.deepEqual(found('z'), [0o711, times.own]);
    assert.equal(found('d')[0], 0o700);
    first.finishShared();
    assert.deepEqual(
      [found(''), found('d')],
      [
        [0o755, times.root],
        [0o500, times.d],
      ],
    );
    assert.deepEqual(place.tree(), ['a/', 'a/x = 1', 'd/', 'd/b = 1', 'd/c = 2', 'd/e = 2', 'z/']);
    assert.deepEqual(place.warnings, []);
  });

  it('reach what is inside a shared directory before that is closed to its owner', (t) => {
    const place = new Place(t);
    asNobody(place, () => {
      const me = isRoot ? { uid: 65534, gid: process.getegid?.() ?? 0 } : own;
      const [first, second] = writersOf(place, 'd\0e\0f');
      first.directory('', { ...directory, ...me, mode: 0o300 });
      first.directory('d', { ...directory, ...me, mode: 0 });
      first.directory('d\0e', { ...directory, ...me, mode: 0o500 });
      writeFile(first, 'd\0e\0f', 'x', me);
      writeFile(second, 'd\0e\0g', 'x', me);
      finish(first, second);
    });
    assert.deepEqual(place.warnings, []);
    if (!isRoot) chmodSync(place.root, 0o700);
    assert.equal(place.stat('d').mode & 0o777, 0);
    if (!isRoot) chmodSync(place.onDisk('d'), 0o700);
    assert.equal(place.stat('d/e').mode & 0o777, 0o500);
  });

  it('work in a directory that was there and is closed, whichever comes to it first', (t) => {
    for (const isFirst of [true, false]) {
      const place = new Place(t);
      asNobody(place, () => {
        mkdirSync(join(place.root, 'd', 'e'), { recursive: true });
        for (const path of ['d/e', 'd', '']) chmodSync(join(place.root, path), 0o500);
        const [first, second] = writersOf(place, 'd\0e\0f');
        const doFirst = () => {
          first.directory('', directory);
          first.directory('d', { ...directory, mode: 0o711 });
          first.directory('d\0e', { ...directory, mode: 0o500 });
          writeFile(first, 'd\0e\0f', '1');
        };
        if (isFirst) doFirst();
        writeFile(second, 'd\0e\0g', '2');
        writeFile(second, 'h', '2');
        if (!isFirst) doFirst();
        finish(first, second);
      });
      assert.deepEqual(place.tree(), ['d/', 'd/e/', 'd/e/f = 1', 'd/e/g = 2', 'h = 2']);
      assert.deepEqual(
        ['', 'd', 'd/e'].map((path) => place.stat(path).mode & 0o777),
        [0o755, 0o711, 0o500],
      );
      assert.deepEqual(
        place.warnings.filter((text) => !text.includes('cannot set owner')),
        [],
      );
    }
  });

  it('leave a folder closed that the backup does not hold, if only one works in it', (t) => {
    const place = new Place(t);
    asNobody(place, () => {
      mkdirSync(join(place.root, 'd'), { recursive: true });
      chmodSync(join(place.root, 'd'), 0o500);
      const [, second] = writersOf(place, 'b');
      assert.throws(() => second.file('d\0f', attributes()), { code: 'EACCES' });
    });
    assert.equal(place.stat('d').mode & 0o777, 0o500);
  });

  it('wait before anything but a directory comes to the place of a shared one', (t) => {
    for (const kind of ['file', 'link', 'fifo'] as const) {
      for (const key of ['d\0b', 'd', 'd\0a', 'e']) {
        const place = new Place(t);
        const isShared = key === 'd\0b' || key === 'd';
        const waited: string[][] = [];
        const [first, second] = writersOf(place, 'd\0b', () => {
          // What the other one still does.
          writeFile(second, 'd\0b\0y', '2');
          writeFile(second, 'd\0z', '2');
          finish(second);
          waited.push(place.tree().filter((line) => !line.includes('.tundra-restore')));
        });
        writeFile(second, 'd\0b\0x', '2');
        first.directory('', directory);
        if (key !== 'd') first.directory('d', directory);
        if (kind === 'file') writeFile(first, key, '1');
        else first.special(key, kind === 'link' ? linkTo('../outside') : attributes({ type: 'fifo' }));
        const shown = key.replaceAll('\0', '/');
        const now = { file: `${shown} = 1`, link: `${shown} -> ../outside`, fifo: `${shown} special` }[kind];
        const others = ['d/', 'd/b/', 'd/b/x = 2', 'd/b/y = 2', 'd/z = 2'];
        assert.deepEqual(waited, isShared ? [others] : []);
        const left = isShared
          ? others.filter((line) => !line.startsWith(shown))
          : ['d/', 'd/b/', 'd/b/x = 2'];
        assert.deepEqual(place.tree(), [...left, now].sort(), `${kind} ${shown}`);
        finish(first);
        place.assertUntouched();
        assert.deepEqual(place.warnings, []);
      }
    }
  });

  it('do not wait for a directory', (t) => {
    const place = new Place(t);
    const [first, second] = writersOf(place, 'd\0b', () => assert.fail('nothing is replaced'));
    for (const key of ['', 'd', 'd\0b']) first.directory(key, directory);
    finish(first, second);
    assert.deepEqual(place.tree(), ['d/', 'd/b/']);
  });

  it('put a directory in the place of what was there once, and write through no link', (t) => {
    for (const before of ['file', 'link', 'link to a file', 'fifo'] as const) {
      for (const isFirst of [true, false]) {
        const place = new Place(t);
        mkdirSync(place.root);
        const path = join(place.root, 'd');
        if (before === 'file') writeFileSync(path, 'old');
        else if (before === 'fifo') spawnSync('mkfifo', [path]);
        else symlinkSync(before === 'link' ? place.outside : join(place.outside, 'b'), path);
        const [first, second] = writersOf(place, 'd\0b');
        const doFirst = () => {
          first.directory('', directory);
          first.directory('d', directory);
          writeFile(first, 'd\0b', '1');
        };
        if (isFirst) doFirst();
        writeFile(second, 'd\0c', '2');
        if (!isFirst) doFirst();
        finish(first, second);
        assert.deepEqual(place.tree(), ['d/', 'd/b = 1', 'd/c = 2'], before);
        assert.equal(place.stat('d').mode & 0o777, 0o755);
        place.assertUntouched();
      }
    }
  });

  it('make one tree at the same time, over what was there', { timeout: 60_000 }, async (t) => {
    const place = new Place(t);
    const depth = 40;
    const keys = Array.from({ length: depth }, (_, i) =>
      Array(i + 1)
        .fill('d')
        .join('\0'),
    );
    for (let turn = 0; turn < 5; turn++) {
      rmSync(place.root, { recursive: true, force: true });
      mkdirSync(place.root);
      symlinkSync(place.outside, join(place.root, 'd'));
      await Promise.all(['1', '2'].map((name) => runInThread(t, place.root, keys, name)));
      const files = keys.flatMap((key) => ['1', '2'].map((name) => `${key}\0${name}`.replaceAll('\0', '/')));
      for (const path of files) assert.equal(readFileSync(place.onDisk(path), 'utf8'), path.at(-1));
      place.assertUntouched();
    }
  });
});

/** Writes, in a thread of its own, a file into each of these directories, which are shared. */
async function runInThread(
  t: TestContext,
  root: string,
  keys: readonly PathKey[],
  name: string,
): Promise<void> {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ TreeWriter }) => {
      const { root, keys, name, attributes } = workerData;
      const writer = new TreeWriter(root, {
        shared: new Set(['', ...keys]),
        owners: undefined,
        numericOwner: false,
        onWarning: (key, text) => { throw new Error(text); },
        onSetIdLeftOut: () => {},
      });
      for (const key of keys) {
        const file = writer.file(key + '\\0' + name, attributes);
        file.write(Buffer.from(name));
        file.commit();
      }
      writer.finish();
      writer.finishShared();
    });`;
  const module = new URL('./tree-writer.js', import.meta.url).href;
  const worker = new Worker(code, {
    eval: true,
    workerData: { module, root: latin1OfNative(root), keys, name, attributes: attributes() },
  });
  t.after(() => worker.terminate());
  await once(worker, 'exit');
}

describe('the root of a TreeWriter', () => {
  it('may be any kind of entry: what is wanted may be one file', (t) => {
    const place = new Place(t);
    writeFile(place.writer(), '', 'alone');
    assert.equal(readFileSync(place.root, 'latin1'), 'alone');
    writeFile(place.writer(), '', 'again');
    assert.equal(readFileSync(place.root, 'latin1'), 'again');
    place.writer().special('', linkTo('x'));
    assert.equal(readlinkSync(place.root), 'x');
    rmSync(place.root);
    writeFileSync(place.root, 'in the way');
    const writer = place.writer();
    writer.directory('', directory);
    writeFile(writer, 'f', 'x');
    writer.finish();
    assert.deepEqual(place.tree(), ['f = x']);
  });

  it('is made with all that is above it', (t) => {
    const place = new Place(t);
    const writer = new TreeWriter(latin1OfNative(join(place.root, 'deep', 'er')), {
      owners: undefined,
      numericOwner: false,
      onWarning: (_, text) => assert.fail(text),
      onSetIdLeftOut: (key) => assert.fail(key),
    });
    writer.directory('', directory);
    writer.finish();
    assert.deepEqual(place.tree(), ['deep/', 'deep/er/']);
  });

  it('may be a link to a folder, as the user named it', (t) => {
    const place = new Place(t);
    const real = join(place.folder, 'real');
    mkdirSync(real);
    symlinkSync('real', place.root);
    const writer = place.writer();
    writer.directory('', { ...directory, mode: 0o711 });
    writeFile(writer, 'f', 'x');
    writer.finish();
    assert.ok(lstatSync(place.root).isSymbolicLink());
    assert.deepEqual(list(real), ['f = x']);
    assert.equal(lstatSync(real).mode & 0o777, 0o711);
    assert.equal(lstatSync(real).mtimeMs, 1e12);
  });

  it('is never a folder full of files that one file would replace', (t) => {
    const place = new Place(t);
    mkdirSync(place.root);
    writeFileSync(join(place.root, 'precious'), '');
    const file = place.writer().file('', attributes());
    assert.throws(() => file.commit(), { code: 'restore-target-exists' });
    file.abort();
    assert.throws(() => place.writer().special('', linkTo('x')), { code: 'restore-target-exists' });
    assert.deepEqual(place.tree(), ['precious = ']);
    assert.deepEqual(readdirSync(place.folder).sort(), ['outside', 'root']);
    rmSync(join(place.root, 'precious'));
    writeFile(place.writer(), '', 'in an empty folder’s place');
    assert.ok(lstatSync(place.root).isFile());
  });
});

describe('a hostile backup', () => {
  it('cannot write through a link that it planted before', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.directory('', directory);
    writer.special('a', linkTo(latin1OfNative(place.outside)));
    writeFile(writer, 'a\0b', 'evil');
    writer.special('c', linkTo('../outside'));
    writer.directory('c\0d', directory);
    writer.special('e', linkTo('../outside'));
    writer.special('e\0b', linkTo('evil'));
    writer.finish();
    place.assertUntouched();
    assert.deepEqual(place.tree(), ['a/', 'a/b = evil', 'c/', 'c/d/', 'e/', 'e/b -> evil']);
  });

  it('cannot put a link in the place of a directory that is open', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('a', directory);
    writer.directory('a\0d', directory);
    writer.special('a', linkTo('../outside'));
    writeFile(writer, 'a\0b', 'evil');
    writer.finish();
    place.assertUntouched();
    assert.deepEqual(place.tree(), ['a/', 'a/b = evil']);
  });

  it('cannot put a link in the place of the root', (t) => {
    const place = new Place(t);
    const writer = place.writer();
    writer.special('', linkTo('outside'));
    writeFile(writer, 'b', 'evil');
    writer.directory('d', directory);
    writer.directory('', { ...directory, mode: 0o711 });
    writer.finish();
    place.assertUntouched();
    assert.notEqual(lstatSync(place.outside).mode & 0o777, 0o711);
    assert.deepEqual(place.tree(), ['b = evil', 'd/']);
  });

  it('cannot write through a link that was there where it has a directory', (t) => {
    const place = new Place(t);
    mkdirSync(place.root);
    symlinkSync(place.outside, join(place.root, 'a'));
    symlinkSync('../outside', join(place.root, 'c'));
    const before = lstatSync(place.outside);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('a', { ...directory, mode: 0o777 });
    writeFile(writer, 'a\0b', 'new');
    writeFile(writer, 'c\0b', 'new');
    writer.finish();
    place.assertUntouched();
    const { mode, mtimeMs } = lstatSync(place.outside);
    assert.deepEqual([mode, mtimeMs], [before.mode, before.mtimeMs]);
    assert.deepEqual(place.tree(), ['a/', 'a/b = new', 'c/', 'c/b = new']);
  });

  it('gains nothing by a link that somebody puts in the place of a directory meanwhile', (t) => {
    const place = new Place(t);
    const before = lstatSync(place.outside);
    const writer = place.writer();
    writer.directory('', directory);
    writer.directory('d', { ...directory, mode: 0o777 });
    rmSync(join(place.root, 'd'), { recursive: true });
    symlinkSync(place.outside, join(place.root, 'd'));
    writer.finish();
    const { mode, mtimeMs } = lstatSync(place.outside);
    assert.deepEqual([mode, mtimeMs], [before.mode, before.mtimeMs]);
    assert.match(place.warnings.join('\n'), /^d: cannot set attributes: /);
  });

  it('never alters what lies outside, whatever it holds in whatever order', (t) => {
    const keys = ['', 'a', 'a\0b', 'a\0b\0c', 'b', 'b\0a'];
    const targets = ['../outside', '../../outside', 'a', 'b', 'b/a', '..'];
    const step = fc.record({
      kind: fc.constantFrom('directory', 'file', 'link', 'finish'),
      key: fc.constantFrom(...keys),
      target: fc.constantFrom(...targets),
    });
    const planted = fc.subarray(['b', 'a/b']).chain((paths) => {
      const link = (path: string) => fc.tuple(fc.constant(path), fc.constantFrom(...targets));
      return fc.tuple(...paths.map(link));
    });
    const place = new Place(t);
    // A time that any change would alter.
    utimesSync(place.outside, 5, 5);
    const before = lstatSync(place.outside);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), planted, (steps, links) => {
        rmSync(place.root, { recursive: true, force: true });
        mkdirSync(join(place.root, 'a'), { recursive: true });
        for (const [path, target] of links) symlinkSync(target, join(place.root, path));
        const writer = place.writer();
        for (const { kind, key, target } of steps) {
          try {
            if (kind === 'directory') writer.directory(key, { ...directory, mode: 0o711 });
            else if (kind === 'file') writeFile(writer, key, 'evil', {}, target !== '..');
            else if (kind === 'link') writer.special(key, linkTo(target));
            else writer.finish();
          } catch {
            // A path that cannot be restored; the others are tried.
          }
        }
        writer.finish();
        assert.deepEqual(readdirSync(place.folder).sort(), ['outside', 'root']);
        place.assertUntouched();
        const { mode, mtimeMs } = lstatSync(place.outside);
        assert.deepEqual([mode, mtimeMs], [before.mode, before.mtimeMs]);
      }),
      { numRuns: 300 },
    );
  });
});
