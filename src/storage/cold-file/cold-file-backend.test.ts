import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { contentOf, sourceOf } from '../../../test/contract/backend-contract.js';
import { TundraError } from '../../base/errors.js';
import type { StorageBackend } from '../backend.js';
import { parseUrl } from '../url.js';
import { openColdFile } from './cold-file-backend.js';
import { coldFileDriver } from './driver.js';

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const times = { shortestMs: 5000, longestMs: 5000, keepMs: 60_000 };

/** A cold folder at a clock that a test sets. */
async function newFolder(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'tundra-cold-'));
  t.after(() => rm(folder, { recursive: true }));
  const clock = { nowMs: startMs };
  const open = () => openColdFile(folder, 'cold', times, () => clock.nowMs);
  const log = () => readFile(join(folder, '.tundra-cold/requests.log'), 'latin1');
  return { folder, clock, open, backend: await open(), log };
}

async function stateOf(backend: StorageBackend, name: string) {
  return (await backend.cold!.survey()).find((object) => object.name === name);
}

async function refusal(backend: StorageBackend, name: string): Promise<TundraError> {
  try {
    await backend.get(name);
  } catch (error) {
    assert.ok(error instanceof TundraError);
    return error;
  }
  assert.fail(`${name} was given out`);
}

test('an object is sealed, thaws, is ready and is sealed again', async (t) => {
  const { clock, open, backend, log } = await newFolder(t);
  await backend.put('one', sourceOf('content'));
  const object = { name: 'one', sizeBytes: 7, storageClass: 'cold+file', store: 'cold' };
  assert.deepEqual(await stateOf(backend, 'one'), { ...object, state: 'sealed' });

  const early = await refusal(backend, 'one');
  assert.equal(early.code, 'backend-sealed');
  assert.equal(early.message, 'one in cold is sealed');
  assert.equal(early.retryAfterMs, 5000);
  assert.match(early.advice!, /Ask for its thaw/);
  assert.equal((await stateOf(backend, 'one'))?.state, 'sealed', 'a read does not ask for it');

  const thawing = { ...object, state: 'thawing', readyAtMs: startMs + 5000 };
  assert.deepEqual(await backend.cold!.thaw(['one']), [thawing]);
  clock.nowMs += 4000;
  // What another process sees, or the next one after a reboot.
  const other = await open();
  assert.deepEqual(await stateOf(other, 'one'), thawing);
  const late = await refusal(other, 'one');
  assert.equal(late.message, 'one in cold is thawing until 2026-01-02T03:04:10.678Z');
  assert.equal(late.retryAfterMs, 1000);

  clock.nowMs += 1000;
  const ready = { ...object, state: 'ready', readyUntilMs: startMs + 65_000 };
  assert.deepEqual(await stateOf(other, 'one'), ready);
  assert.deepEqual(await backend.cold!.thaw(['one']), [ready]);
  assert.equal(await contentOf(other, 'one'), 'content');
  clock.nowMs += 59_999;
  assert.equal(await contentOf(backend, 'one'), 'content');

  clock.nowMs += 1;
  assert.deepEqual(await stateOf(backend, 'one'), { ...object, state: 'sealed' });
  assert.equal((await refusal(backend, 'one')).message, 'one in cold is sealed');
  assert.equal((await backend.cold!.thaw(['one']))[0]?.state, 'thawing');
  assert.deepEqual((await log()).trimEnd().split('\n'), [
    '2026-01-02T03:04:05.678Z refused one',
    '2026-01-02T03:04:05.678Z thaw one',
    '2026-01-02T03:04:09.678Z refused one',
    '2026-01-02T03:04:10.678Z get one',
    '2026-01-02T03:05:10.677Z get one',
    '2026-01-02T03:05:10.678Z refused one',
    '2026-01-02T03:05:10.678Z thaw one',
  ]);
});

test('with thaw=0 what was asked for is ready at once', async (t) => {
  const { folder } = await newFolder(t);
  const create = await coldFileDriver.load();
  const url = parseUrl(`cold+file://${folder}?thaw=0`);
  const backend = await create(url, undefined as never);
  assert.equal(backend.description, `cold+file://${folder}?thaw=0`);
  await backend.put('one', sourceOf('content'));
  await assert.rejects(backend.get('one'), { code: 'backend-sealed', retryAfterMs: 0 });
  assert.equal((await backend.cold!.thaw(['one']))[0]?.state, 'ready');
  assert.equal(await contentOf(backend, 'one'), 'content');
  await assert.rejects(async () => create(parseUrl('cold+file://?thaw=0'), undefined as never), {
    code: 'bad-url',
  });
});

test('nothing is asked for if one of the names is absent or no name', async (t) => {
  const { backend } = await newFolder(t);
  await backend.put('one', sourceOf('1'));
  for (const [name, code] of [
    ['absent', 'backend-not-found'],
    ['../one', 'backend'],
    ['.tundra-cold', 'backend-not-found'],
  ] as const) {
    await assert.rejects(backend.cold!.thaw(['one', name]), { code });
    await assert.rejects(backend.get(name), { code });
  }
  assert.equal((await stateOf(backend, 'one'))?.state, 'sealed');
});

test('the folder of the records is no object', async (t) => {
  const { folder, backend } = await newFolder(t);
  await assert.rejects(backend.put('.tundra-cold', sourceOf('x')), { code: 'backend' });
  assert.deepEqual(await readdir(folder), []);
  await backend.put('one', sourceOf('1'));
  await backend.cold!.thaw(['one']);
  assert.deepEqual((await readdir(folder)).sort(), ['.tundra-cold', 'one']);
  assert.deepEqual(await backend.list(), [{ name: 'one', sizeBytes: 1 }]);
  assert.deepEqual(
    (await backend.cold!.survey()).map(({ name }) => name),
    ['one'],
  );
});

test('records keep up with the objects', async (t) => {
  const { folder, backend } = await newFolder(t);
  const files = async () =>
    (await readdir(join(folder, '.tundra-cold'))).filter((name) => name !== 'requests.log');
  const long = 'x'.repeat(255);
  for (const name of ['one', 'two', long]) await backend.put(name, sourceOf(name));
  await backend.cold!.thaw(['one', 'two', long]);
  assert.equal((await files()).length, 3);
  await backend.put('one', sourceOf('new'));
  assert.equal((await files()).length, 2);
  await backend.remove(['two', long, 'never there']);
  assert.deepEqual(await files(), []);
});

test('an object is sealed as soon as it is being replaced', async (t) => {
  const { clock, backend } = await newFolder(t);
  await backend.put('one', sourceOf('old'));
  await backend.cold!.thaw(['one']);
  clock.nowMs += 5000;
  const states: unknown[] = [];
  const open = async function* () {
    states.push((await stateOf(backend, 'one'))?.state);
    yield Buffer.from('n');
    throw new Error('the source broke');
  };
  await assert.rejects(backend.put('one', { sizeBytes: 3, open }), /the source broke/);
  states.push((await stateOf(backend, 'one'))?.state);
  assert.deepEqual(states, ['sealed', 'sealed']);
});

test('a thaw that is asked for while the object is replaced counts for the old one', async (t) => {
  const { clock, backend } = await newFolder(t);
  await backend.put('one', sourceOf('old'));
  const open = async function* () {
    await backend.cold!.thaw(['one']);
    yield Buffer.from('new');
  };
  await backend.put('one', { sizeBytes: 3, open });
  clock.nowMs += 5000;
  assert.equal((await refusal(backend, 'one')).message, 'one in cold is sealed');
});

test('a damaged record is none', async (t) => {
  const { folder, clock, backend, log } = await newFolder(t);
  await backend.put('one', sourceOf('1'));
  await backend.cold!.thaw(['one']);
  const [record] = (await readdir(join(folder, '.tundra-cold'))).filter((name) => name.endsWith('.json'));
  const path = join(folder, '.tundra-cold', record!);
  const whole = await readFile(path, 'utf8');
  const broken = ['', 'null', '[]', '7', whole.slice(0, -3), '{"askedAtMs":1,"readyAtMs":"1"}'];
  broken.push(whole.replace('"readyUntilMs":', '"readyUntilMs":1e999,"x":'), `${' '.repeat(5000)}${whole}`);
  // No Date can hold that moment.
  broken.push(whole.replace('"readyAtMs":', '"readyAtMs":1e300,"x":'));
  for (const text of broken) {
    await writeFile(path, text);
    assert.equal((await stateOf(backend, 'one'))?.state, 'sealed', text);
    await assert.rejects(backend.get('one'), { code: 'backend-sealed', message: /is sealed/ });
  }
  assert.equal((await backend.cold!.thaw(['one']))[0]?.state, 'thawing');
  clock.nowMs += 5000;
  assert.equal(await contentOf(backend, 'one'), '1');
  assert.equal((await log()).match(/ thaw one$/gm)?.length, 2);
});

test('a name takes one line of the log', async (t) => {
  const { backend, log } = await newFolder(t);
  const names = ['a\nb thaw c', 'back\\slash', '\xffA\xe4', 'ä'];
  const stored = names.slice(0, 2);
  for (const name of stored) await backend.put(name, sourceOf('1'));
  await backend.cold!.thaw(stored);
  assert.deepEqual((await log()).replaceAll(/^\S+ /gm, '').trimEnd().split('\n'), [
    'thaw a\\x0ab thaw c',
    'thaw back\\x5cslash',
  ]);
});

test('objects whose names are no text can be thawed and read', async (t) => {
  const { folder, clock, backend, log } = await newFolder(t);
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x41])]), 'bytes');
  assert.equal((await backend.cold!.thaw(['\xffA']))[0]?.state, 'thawing');
  clock.nowMs += 5000;
  assert.equal(await contentOf(backend, '\xffA'), 'bytes');
  assert.match(await log(), / thaw \xffA\n.* get \xffA\n$/);
});

test('of several processes that ask at once, one starts each thaw', async (t) => {
  const { folder, clock, backend, log } = await newFolder(t);
  const names = Array.from({ length: 30 }, (_, index) => `vol${index}`);
  for (const name of names) await backend.put(name, sourceOf(name));
  const script = `
    const { openColdFile } = await import(process.argv[1]);
    const times = { shortestMs: 5000, longestMs: 5000, keepMs: 60000 };
    const backend = await openColdFile(process.argv[2], 'cold', times, () => ${startMs} + process.pid % 1000);
    process.stdin.once('data', async () => {
      const names = (await backend.list()).map(({ name }) => name).sort();
      console.log(JSON.stringify((await backend.cold.thaw(names)).map(({ readyAtMs }) => readyAtMs)));
      process.stdin.destroy();
    });
    console.log('here');
  `;
  const module = new URL('./cold-file-backend.js', import.meta.url).href;
  const answers = ['', '', ''];
  const children = answers.map((_, index) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      answers[index] += text;
    });
    return child;
  });
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const exits = children.map((child) => once(child, 'close'));
  for (const child of children) child.stdin.write('go');
  for (const [status] of await Promise.all(exits)) assert.equal(status, 0);

  const thawed = [...(await log()).matchAll(/ thaw (\S+)$/gm)].map(([, name]) => name!);
  assert.deepEqual(thawed.sort(), [...names].sort());
  const [first, ...others] = answers.map((text) => JSON.parse(text.replace('here\n', '')));
  assert.equal(first.length, 30);
  for (const other of others) assert.deepEqual(other, first, 'all tell the same times');
  clock.nowMs += 10_000;
  for (const name of names) assert.equal(await contentOf(backend, name), name);
  const left = (await readdir(join(folder, '.tundra-cold'))).filter((name) => !name.endsWith('.json'));
  assert.deepEqual(left, ['requests.log'], 'nothing half-made is left');
});

test('what a killed process left among the records goes away', async (t) => {
  const { folder, backend } = await newFolder(t);
  const left = join(folder, '.tundra-cold', '.tundra-put.1-0123456789abcdef');
  await mkdir(join(folder, '.tundra-cold'));
  await writeFile(left, 'half');
  const longAgo = new Date(Date.now() - 2 * 24 * 3600_000);
  await utimes(left, longAgo, longAgo);
  await backend.put('one', sourceOf('1'));
  await backend.cold!.thaw(['one']);
  const names = await readdir(join(folder, '.tundra-cold'));
  assert.equal(names.length, 2);
  assert.ok(names.every((name) => name === 'requests.log' || name.endsWith('.json')));
});

test('records that cannot be written or read are errors of the storage', async (t) => {
  const { folder, backend } = await newFolder(t);
  await backend.put('one', sourceOf('1'));
  await writeFile(join(folder, '.tundra-cold'), 'a file where the folder should be');
  await assert.rejects(backend.cold!.thaw(['one']), { name: 'TundraError', code: 'backend' });
  await assert.rejects(backend.cold!.survey(), { name: 'TundraError', code: 'backend' });
  await assert.rejects(backend.get('one'), { name: 'TundraError', code: 'backend' });
});
