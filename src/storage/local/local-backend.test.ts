import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { runMark } from '../../base/run-mark.js';
import type { StorageBackend } from '../backend.js';
import { diskFailure } from './failure.js';
import { openLocal } from './local-backend.js';
import { isTemporaryName } from './temporary.js';

async function newFolder(t: TestContext): Promise<{ folder: string; backend: StorageBackend }> {
  const folder = await mkdtemp(join(tmpdir(), 'tundra-local-'));
  t.after(() => rm(folder, { recursive: true }));
  return { folder, backend: await openLocal(folder, `file://${folder}`) };
}

test('the folder is made with its parents', async (t) => {
  const { folder } = await newFolder(t);
  const backend = await openLocal(`${folder}/a/b/c`, 'file');
  assert.ok((await stat(`${folder}/a/b/c`)).isDirectory());
  assert.deepEqual(await backend.list(), []);
});

test('only plain files are listed, whatever their names are', async (t) => {
  const { folder, backend } = await newFolder(t);
  await mkdir(join(folder, 'folder'));
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x41, 0xe4])]), 'not UTF-8');
  await writeFile(join(folder, 'ä'), '12');
  await symlink('nowhere', join(folder, 'broken link'));
  await symlink('ä', join(folder, 'link'));
  await symlink('loop', join(folder, 'loop'));
  const listed = (await backend.list()).sort((a, b) => (a.name < b.name ? -1 : 1));
  assert.deepEqual(listed, [
    { name: 'link', sizeBytes: 2 },
    { name: '\xc3\xa4', sizeBytes: 2 },
    { name: '\xffA\xe4', sizeBytes: 9 },
  ]);
  assert.equal(await contentOf(backend, '\xffA\xe4'), 'not UTF-8');
  assert.equal(await backend.stat('folder'), undefined);
  await assert.rejects(backend.get('folder'), { code: 'backend-not-found' });
  assert.equal(backend.localPathOf?.('\xc3\xa4'), undefined);
  assert.equal(backend.localPathOf?.('folder'), undefined);
});

test('a pipe in the folder does not hold up a read', async (t) => {
  const { folder, backend } = await newFolder(t);
  const [status] = await once(spawn('mkfifo', [join(folder, 'pipe')]), 'exit');
  assert.equal(status, 0);
  await assert.rejects(backend.get('pipe'), { code: 'backend-not-found' });
  assert.deepEqual(await backend.list(), []);
});

test('names cannot lead out of the folder', async (t) => {
  const { backend } = await newFolder(t);
  for (const name of ['', '.', '..', '../x', 'a/b', 'a\0b']) {
    await assert.rejects(backend.put(name, sourceOf('x')), { code: 'backend' });
    await assert.rejects(backend.get(name), { code: 'backend' });
    await assert.rejects(backend.remove([name]), { code: 'backend' });
  }
});

test('an object gets the mode of any new file, not that of the spool file', async (t) => {
  const { folder, backend } = await newFolder(t);
  await writeFile(join(folder, 'plain'), '');
  const localPath = join(folder, 'spool');
  await writeFile(localPath, 'abc');
  await chmod(localPath, 0o600);
  await backend.put('copied', { ...sourceOf('abc'), localPath });
  await backend.put('streamed', sourceOf('abc'));
  const modeOf = async (name: string) => (await stat(join(folder, name))).mode;
  assert.equal(await modeOf('copied'), await modeOf('plain'));
  assert.equal(await modeOf('streamed'), await modeOf('plain'));
});

test('a spare file becomes the object, and another one is copied', async (t) => {
  const { folder, backend } = await newFolder(t);
  const spool = await mkdtemp(join(tmpdir(), 'tundra-spool-'));
  t.after(() => rm(spool, { recursive: true }));
  await writeFile(join(folder, 'plain'), '');
  const { mode } = await stat(join(folder, 'plain'));
  for (const isSpare of [true, false]) {
    const localPath = join(spool, `file${isSpare}`);
    const name = `object${isSpare}`;
    await writeFile(localPath, 'abc', { mode: 0o600 });
    await backend.put(name, sourceOf('the one before'));
    await backend.put(name, { ...sourceOf('abc'), localPath, isSpare });
    const stored = await stat(join(folder, name));
    assert.equal(stored.mode, mode);
    assert.equal(stored.ino === (await stat(localPath)).ino, isSpare);
    await rm(localPath);
    assert.equal(await readFile(join(folder, name), 'utf8'), 'abc');
  }
  assert.deepEqual((await readdir(folder)).sort(), ['objectfalse', 'objecttrue', 'plain']);
});

test('a source file that is gone is no fault of the storage', async (t) => {
  const { folder, backend } = await newFolder(t);
  const localPath = join(folder, 'gone');
  await assert.rejects(backend.put('x', { ...sourceOf('abc'), localPath }), {
    code: 'ENOENT',
    path: localPath,
  });
  assert.deepEqual(await readdir(folder), []);
});

test('replacing a file leaves other links to it alone', async (t) => {
  const { folder, backend } = await newFolder(t);
  await backend.put('one', sourceOf('old'));
  linkSync(join(folder, 'one'), join(folder, 'snapshot'));
  await backend.put('one', sourceOf('new'));
  assert.equal(await contentOf(backend, 'snapshot'), 'old');
});

test('a put that was killed leaves nothing to be seen', async (t) => {
  const { folder, backend } = await newFolder(t);
  await backend.put('one', sourceOf('old'));
  const script = `
    const { openLocal } = await import(process.argv[1]);
    const backend = await openLocal(process.argv[2], 'file');
    async function* open() {
      yield Buffer.alloc(300_000);
      console.log('half');
      await new Promise((done) => setTimeout(done, 60_000));
    }
    await backend.put('one', { sizeBytes: 600_000, open });
  `;
  const module = new URL('./local-backend.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.deepEqual(await backend.list(), [{ name: 'one', sizeBytes: 3 }]);
  const left = (await readdir(folder)).filter(isTemporaryName);
  assert.equal(left.length, 1);

  // The next run that stores something removes it.
  await (await openLocal(folder, 'file')).put('two', sourceOf('2'));
  assert.deepEqual((await readdir(folder)).sort(), ['one', 'two']);
});

test('what runs may still be writing stays, until it has been still for a day', async (t) => {
  const { folder } = await newFolder(t);
  const [host, pid, start] = runMark().split('.');
  const dead = spawnSync('true').pid;
  const names = [
    `.tundra-put.${host}.${pid}.${start}-0123456789abcdef`,
    `.tundra-put.00000000.${dead}.${start}-0123456789abcdef`,
    `.tundra-put.${dead}-0123456789abcdef`,
  ].sort();
  for (const name of names) await writeFile(join(folder, name), '');
  await (await openLocal(folder, 'file')).put('one', sourceOf('1'));
  assert.deepEqual((await readdir(folder)).filter(isTemporaryName).sort(), names);
  const longAgo = new Date(Date.now() - 2 * 24 * 3600_000);
  for (const name of names) await utimes(join(folder, name), longAgo, longAgo);
  await (await openLocal(folder, 'file')).put('two', sourceOf('2'));
  assert.deepEqual((await readdir(folder)).sort(), ['one', 'two']);
});

test("another user's file stays, although its run is over", async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can give files away');
  const { folder } = await newFolder(t);
  const [host, , start] = runMark().split('.');
  const name = `.tundra-put.${host}.${spawnSync('true').pid}.${start}-0123456789abcdef`;
  await writeFile(join(folder, name), '');
  await chown(join(folder, name), 12_345, 12_345);
  await (await openLocal(folder, 'file')).put('one', sourceOf('1'));
  assert.deepEqual((await readdir(folder)).sort(), [name, 'one']);
});

test('a folder that is none, and one that vanishes', async (t) => {
  const { folder } = await newFolder(t);
  await writeFile(join(folder, 'file'), '');
  const misplaced = await openLocal(join(folder, 'file', 'below'), 'file');
  await assert.rejects(misplaced.list(), { code: 'backend', retry: 'never' });
  await assert.rejects(misplaced.put('x', sourceOf('x')), { code: 'backend' });
  const vanishing = await openLocal(join(folder, 'target'), 'file');
  await rm(join(folder, 'target'), { recursive: true });
  await assert.rejects(vanishing.list(), { code: 'backend-not-found' });
  await assert.rejects(vanishing.put('x', sourceOf('x')), { code: 'backend-not-found' });
});

test('what the disk refuses has its own codes', () => {
  const codeOf = (errno: string) => {
    const { code, retry, message } = diskFailure(
      'could not write',
      '/a/\xc3\xa4',
      Object.assign(new Error('no'), { code: errno }),
    );
    assert.equal(message, 'could not write /a/ä: no');
    return `${code} ${retry}`;
  };
  assert.equal(codeOf('ENOSPC'), 'backend-no-space never');
  assert.equal(codeOf('EDQUOT'), 'backend-no-space never');
  assert.equal(codeOf('EACCES'), 'backend-permission never');
  assert.equal(codeOf('EPERM'), 'backend-permission never');
  assert.equal(codeOf('EROFS'), 'backend-permission never');
  assert.equal(codeOf('ENOENT'), 'backend-not-found never');
  assert.equal(codeOf('EIO'), 'backend later');
  assert.equal(codeOf('EXYZ'), 'backend never');
});
