import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { TundraError } from '../base/errors.js';
import { diskPath, type KeyRange, type Latin1, type PathKey, slashPath } from '../base/path-key.js';
import { type NativeFolders, nativeFolders } from './native-folder.js';
import { type PeerWalk, peerWalks } from './peer.fixture.js';
import { createSelection, type Selection, type SelectionRule, selectAll } from './selection.js';
import { oddTree, testFolder, testTree } from './tree.fixture.js';
import { type WalkOptions, walk as walkBy } from './walk.js';
import { type WalkWarning, walkWarnings } from './walk-warnings.js';

/** How the walks of a suite read folders; undefined for Node's own calls. */
let native: NativeFolders | undefined;

function walk(root: Latin1, selection: Selection, options: WalkOptions) {
  return walkBy(root, selection, { native, ...options });
}

interface Walked {
  paths: Latin1[];
  warnings: [WalkWarning, Latin1][];
}

function walked(root: Latin1, rules: SelectionRule[] = [], followLinks = false): Walked {
  const result: Walked = { paths: [], warnings: [] };
  const selection = createSelection(rules, { path: root, isDirectory: true });
  const onWarning = (kind: WalkWarning, key: string) => result.warnings.push([kind, slashPath(key)]);
  for (const entry of walk(root, selection, { followLinks, onWarning }))
    result.paths.push(slashPath(entry.key));
  return result;
}

/** What each share of a walk yields and tells of, where these paths end one. */
function inShares(root: Latin1, bounds: readonly PathKey[], followLinks = false) {
  const ends = [...bounds].sort();
  return [...ends, undefined].map((upTo, index) => {
    const range: KeyRange = { after: ends[index - 1], upTo };
    const warnings: string[] = [];
    const onWarning = (kind: WalkWarning, key: string) => warnings.push(`${kind} ${slashPath(key)}`);
    return { entries: [...walk(root, selectAll, { range, followLinks, onWarning })], warnings };
  });
}

const include = (glob: Latin1): SelectionRule => ({ kind: 'include', glob });
const exclude = (glob: Latin1): SelectionRule => ({ kind: 'exclude', glob });

const withoutNative =
  nativeFolders() === undefined && 'needs koffi, with a binary for this machine, and Linux on x64 or arm64';

describe('walk', () => walkSuite(undefined));
describe('walk by native calls', { skip: withoutNative }, () => walkSuite(nativeFolders()));

describe('native calls', { skip: withoutNative }, () => {
  it('tell the same as those of Node', (t) => {
    const root = testTree(t, { ...oddTree, 'up/there': { link: '../a' } });
    for (let i = 0; i < 200; i++) writeFileSync(`${root}/a/${i}`, 'x'.repeat(i));
    for (const [name, mtime] of [
      ['before', '@-0.5'],
      ['old', '@-86400.5'],
      ['long-before', '@-3000000000.000000001'],
      ['zero', '@0'],
      ['late', '@1700000000.999999999'],
      ['later', '@1700000000.9999'],
      ['ahead', '@4000000000.25'],
    ] as const) {
      spawnSync('touch', ['-d', mtime, `${root}/${name}`]);
    }
    chmodSync(`${root}/a`, 0o7751);
    // These only root can make.
    spawnSync('chown', ['4000000000:3999999', `${root}/a-b`]);
    spawnSync('mknod', [`${root}/device`, 'c', '4095', '1048575']);
    spawnSync('mknod', [`${root}/disk`, 'b', '8', '1']);
    for (const followLinks of [false, true]) {
      const [one, other] = [undefined, nativeFolders()].map((way) => {
        const warnings: unknown[] = [];
        const onWarning = (...warning: unknown[]) => void warnings.push(warning);
        return { entries: [...walkBy(root, selectAll, { native: way, followLinks, onWarning })], warnings };
      });
      assert.ok(one!.entries.length > 250);
      assert.deepEqual(other, one);
    }
  });

  it('leave to those of Node what they cannot read', (t) => {
    const root = testTree(t, { 'a/b': 'file', 'c/d': 'file', e: 'file' });
    const folders = nativeFolders() as NativeFolders;
    const blind: NativeFolders = {
      list: (path, rows, followLinks) =>
        path.endsWith('/a') ? undefined : folders.list(path, rows.fill(-1), followLinks),
      read: (...given) => {
        const count = folders.read(...given);
        given[3].fill(-1);
        return count;
      },
    };
    const paths = [...walkBy(root, selectAll, { native: blind, onWarning: () => assert.fail() })].map(
      ({ key }) => slashPath(key),
    );
    assert.deepEqual(paths, ['.', 'a', 'a/b', 'c', 'c/d', 'e']);
  });
});

function walkSuite(way: NativeFolders | undefined): void {
  before(() => {
    native = way;
  });

  it('yields all entries in the order of their keys', (t) => {
    const root = testTree(t, oddTree);
    const entries = [...walk(root, selectAll, { onWarning: (...warning) => assert.fail(warning.join()) })];
    const keys = entries.map((entry) => entry.key);
    assert.deepEqual(keys, [...keys].sort());
    assert.deepEqual(new Set(keys).size, keys.length);
    for (const path of Object.keys(oddTree)) assert.ok(keys.includes(path.replaceAll('/', '\0')), path);
    assert.equal(keys[0], '');
    for (const entry of entries) {
      assert.equal(entry.path, entry.key === '' ? root : `${root}/${slashPath(entry.key)}`);
    }
  });

  it('yields the same entries in shares, one after another', (t) => {
    const root = testTree(t, oddTree);
    const all = [...walk(root, selectAll, { onWarning: () => assert.fail('nothing to warn of') })];
    const keys = all.map(({ key }) => key);
    // Paths that are not there, on either side of those that are.
    const others = keys.flatMap((key) => [`${key}!`, `${key}\0`, `${key}\0zz`, `${key}/`]);
    const bounds = fc.uniqueArray(fc.constantFrom(...keys, ...others), { maxLength: 3 });
    fc.assert(
      fc.property(bounds, (some) => {
        assert.deepEqual(
          inShares(root, some).flatMap(({ entries }) => entries),
          all,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('divides names around the separator as the order of paths does', (t) => {
    const root = testTree(t, { 'a/b': 'file', 'a!': 'file', 'a.b': 'file', 'a/!': 'file', b: 'file' });
    const shares = (...bounds: PathKey[]) =>
      inShares(root, bounds).map(({ entries }) => entries.map(({ key }) => slashPath(key)).join(' '));
    assert.deepEqual(shares('a'), ['. a', 'a/! a/b a! a.b b']);
    assert.deepEqual(shares('a\0b'), ['. a a/! a/b', 'a! a.b b']);
    assert.deepEqual(shares('a\0a', 'a!'), ['. a a/!', 'a/b a!', 'a.b b']);
    assert.deepEqual(shares('', 'z'), ['.', 'a a/! a/b a! a.b b', '']);
  });

  it('tells of each thing in one share', async (t) => {
    const tree = {
      'a/sock/x': 'file',
      'a/up': { link: '..' },
      'b/x': 'file',
      c: { link: 'nowhere' },
    } as const;
    const root = testTree(t, tree);
    rmSync(`${root}/a/sock`, { recursive: true });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${root}/a/sock`, resolve));
    t.after(() => server.close());
    const whole = inShares(root, [], true)[0]!.warnings;
    assert.deepEqual(whole, ['socket a/sock', 'link-loop a/up', 'vanished c']);
    // What lay below them when the backup was made makes them the way to a bound.
    for (const bounds of [['a\0sock\0x'], ['a\0up\0b'], ['a\0sock\0x', 'a\0up\0b', 'c\0x'], ['c']]) {
      const told = inShares(root, bounds, true).flatMap(({ warnings }) => warnings);
      assert.deepEqual(told, whole, bounds.map(slashPath).join(' '));
    }
  });

  it('leaves out what is excluded, with all below it', (t) => {
    const root = testTree(t, { 'a/b': 'file', 'c/d/e': 'file', f: 'file' });
    assert.deepEqual(walked(root, [exclude(`${root}/c/d`)]).paths, ['.', 'a', 'a/b', 'c', 'f']);
    assert.deepEqual(walked(root, [exclude('**')]).paths, ['.']);
  });

  it('yields the parents of what is included, and no others', (t) => {
    const tree = {
      'a/b/c': 'file',
      'a/x/c': 'file',
      'b/b/d': 'file',
      'z/q': 'directory',
      'z/r/c': 'file',
    } as const;
    const root = testTree(t, tree);
    const paths = walked(root, [include('**/c'), exclude('**')]).paths;
    assert.deepEqual(paths, ['.', 'a', 'a/b', 'a/b/c', 'a/x', 'a/x/c', 'z', 'z/r', 'z/r/c']);
  });

  it('takes a root that is no directory for the only entry', (t) => {
    const root = testTree(t, { f: 'file', 'd/e': 'file', l: { link: 'd' } });
    assert.deepEqual(walked(`${root}/f`).paths, ['.']);
    assert.deepEqual(walked(`${root}/l`).paths, ['.']);
    assert.deepEqual(walked(`${root}/l`, [], true).paths, ['.', 'e']);
  });

  it('refuses a root that is not there', (t) => {
    const root = testTree(t, { f: 'file', l: { link: 'l' } });
    for (const path of [`${root}/none`, `${root}/f/x`, `${root}/${'x'.repeat(300)}`, `${root}/l/x`]) {
      assert.throws(
        () => walked(path),
        (error) => error instanceof TundraError && error.exitStatus === 13,
      );
    }
  });

  it('passes over what vanishes while it walks', (t) => {
    const root = testTree(t, { 'a/b': 'file', b: 'file', 'c/x': 'file', d: 'file' });
    const seen: Latin1[] = [];
    const warnings: string[] = [];
    const onWarning = (kind: WalkWarning, key: string) => warnings.push(`${kind} ${slashPath(key)}`);
    for (const entry of walk(root, selectAll, { onWarning })) {
      seen.push(slashPath(entry.key));
      if (entry.key === 'a') rmSync(`${root}/b`);
      if (entry.key === 'c') rmSync(`${root}/c`, { recursive: true });
    }
    assert.deepEqual(seen, ['.', 'a', 'a/b', 'c', 'd']);
    assert.deepEqual(warnings, ['vanished b', 'cannot-list c']);
  });

  it('passes over sockets', async (t) => {
    const root = testTree(t, { a: 'file' });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${root}/sock`, resolve));
    t.after(() => server.close());
    assert.deepEqual(walked(root), { paths: ['.', 'a'], warnings: [['socket', 'sock']] });
    assert.throws(() => walked(`${root}/sock`), TundraError);
  });

  it('follows links when asked, but not for ever', (t) => {
    const root = testTree(t, {
      'a/f': 'file',
      'a/up': { link: '..' },
      'b/to-a': { link: '../a' },
      'b/self': { link: 'self' },
      dangling: { link: 'nowhere' },
      file: { link: 'a/f' },
    });
    const { paths, warnings } = walked(root, [], true);
    assert.deepEqual(paths, ['.', 'a', 'a/f', 'b', 'b/to-a', 'b/to-a/f', 'file']);
    assert.deepEqual(warnings, [
      ['link-loop', 'a/up'],
      ['vanished', 'b/self'],
      ['link-loop', 'b/to-a/up'],
      ['vanished', 'dangling'],
    ]);
    assert.deepEqual(walked(root).paths.length, 9);
  });

  it('goes as deep as the system lets it', (t) => {
    const root = testFolder(t);
    const before = process.cwd();
    try {
      process.chdir(root);
      for (const [name, levels] of [
        ['d', 1000],
        ['d'.repeat(200), 15],
      ] as const) {
        const folders = Array<string>(levels).fill(name).join('/');
        mkdirSync(folders, { recursive: true });
        process.chdir(folders);
      }
    } finally {
      process.chdir(before);
    }
    writeFileSync(`${root}/e`, '');
    const { paths, warnings } = walked(root);
    assert.ok(paths.length > 1005 && paths.length < 1015, String(paths.length));
    assert.equal(paths.at(-1), 'e');
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0]![0] === 'cannot-stat' || warnings[0]![0] === 'cannot-list', warnings[0]![0]);
  });

  it('leaves out what an ordinary user may not read', (t) => {
    const root = lockedTree(t);
    const { paths, warnings } = walkedAsUser(t, root) ?? {};
    if (paths === undefined || warnings === undefined) return;
    assert.deepEqual(paths, ['.', 'no-entry', 'ok', 'ok/f']);
    assert.deepEqual(warnings, [
      ['cannot-read', 'closed'],
      ['cannot-stat', 'no-entry/f'],
      ['cannot-read', 'no-list'],
      ['cannot-read', 'secret'],
    ]);
    const answer = peerWalks(t, [{ root, options: [] }], ordinaryUser)?.[0];
    if (answer === undefined) return;
    assert.ok('entries' in answer);
    assert.deepEqual(pathsOf(answer), paths);
    assert.deepEqual(
      answer.codes,
      warnings.map(([kind]) => walkWarnings[kind].code),
    );
  });

  it('yields a root it may not list', (t) => {
    const root = testTree(t, { f: 'file' });
    chmodSync(root, 0o000);
    if (ordinaryUser !== undefined) spawnSync('chown', ['65534', root]);
    const found = walkedAsUser(t, root);
    if (found === undefined) return;
    assert.deepEqual(found, { paths: ['.'], warnings: [['cannot-list', '.']] });
    const answer = peerWalks(t, [{ root, options: [] }], ordinaryUser)?.[0];
    if (answer === undefined) return;
    assert.deepEqual(answer, { entries: 'entries' in answer ? answer.entries : [], codes: [1] });
    assert.deepEqual(pathsOf(answer), ['.']);
  });
}

function pathsOf(answer: PeerWalk): Latin1[] {
  return 'entries' in answer ? answer.entries.map(({ path }) => path || '.') : [];
}

/** Root may read everything: the walk is then made by another user. */
const ordinaryUser = process.getuid?.() === 0 ? 65_534 : undefined;

function lockedTree(t: TestContext): Latin1 {
  const tree = {
    'closed/f': 'file',
    'no-entry/f': 'file',
    'no-list/f': 'file',
    'ok/f': 'file',
    secret: 'file',
  } as const;
  const root = testTree(t, tree);
  if (ordinaryUser !== undefined) spawnSync('chown', ['-R', String(ordinaryUser), root]);
  const modes = { closed: 0o000, 'no-entry': 0o444, 'no-list': 0o311, secret: 0o000 };
  for (const [path, mode] of Object.entries(modes)) chmodSync(diskPath(`${root}/${path}`), mode);
  return root;
}

function walkedAsUser(t: TestContext, root: Latin1): Walked | undefined {
  if (ordinaryUser === undefined) return walked(root);
  const module = new URL('./walk.js', import.meta.url).href;
  const program = `
    const { walk } = await import(${JSON.stringify(module)});
    const result = { paths: [], warnings: [] };
    const slashed = (key) => key.replaceAll('\\0', '/') || '.';
    const onWarning = (kind, key) => result.warnings.push([kind, slashed(key)]);
    const options = process.argv[2] === 'native' ? { onWarning } : { onWarning, native: undefined };
    for (const { key } of walk(process.argv[1], () => 'include', options)) result.paths.push(slashed(key));
    console.log(JSON.stringify(result));`;
  const done = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, root, native === undefined ? 'node' : 'native'],
    {
      encoding: 'utf8',
      cwd: '/',
      uid: ordinaryUser,
      gid: ordinaryUser,
    },
  );
  if (done.error !== undefined || /ERR_MODULE_NOT_FOUND|EACCES/.test(done.stderr)) {
    t.skip('needs node and the built project where an ordinary user can read them');
    return undefined;
  }
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout) as Walked;
}
