import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sourceOf } from '../../../test/contract/backend-contract.js';
import { MemoryBackend } from '../../../test/contract/memory-backend.js';
import { needs } from '../../../test/peers.js';
import { TundraError } from '../../base/errors.js';
import type { OperationEvent } from '../../base/events.js';
import { localDriver } from '../local/local-backend.js';
import { type BackendContext, type BackendDriver, BackendRegistry } from '../registry.js';
import { multiDriver } from './open.js';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tundra-multi-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function contextWith(
  env: BackendContext['env'],
  events: OperationEvent[],
  ...drivers: BackendDriver[]
): BackendContext {
  return {
    env,
    registry: new BackendRegistry([localDriver, multiDriver, ...drivers]),
    options: { numRetries: 1, retryDelayMs: 0, timeoutMs: 1000 },
    onEvent: (event) => event.kind === 'message' && event.level === 'warning' && events.push(event),
  };
}

test('each store has an environment of its own', async (t) => {
  const config = join(await newFolder(t), 'c.json');
  const seen: unknown[] = [];
  const driver: BackendDriver = {
    schemes: ['spy'],
    load:
      () =>
      (url, { env }) => {
        seen.push([url.path, env.USER, env.PASS, env.HOME]);
        return new MemoryBackend(url.display);
      },
  };
  await writeFile(
    config,
    JSON.stringify([
      {
        url: 'spy://one',
        env: [
          { name: 'USER', value: 'u1' },
          { name: 'PASS', value: 'p1' },
        ],
      },
      { url: 'spy://two', env: [{ name: 'USER', value: 'u2' }] },
      { url: 'spy://three' },
    ]),
  );
  const base = Object.freeze({ HOME: '/home/me', USER: 'base' });
  const before = { ...process.env };
  const context = contextWith(base, [], driver);
  await context.registry.open(`multi://${config}?subpath=/sub`, context);
  assert.deepEqual(seen, [
    ['one/sub', 'u1', 'p1', '/home/me'],
    ['two/sub', 'u2', undefined, '/home/me'],
    ['three/sub', 'base', undefined, '/home/me'],
  ]);
  assert.deepEqual({ ...process.env }, before);
});

test('a store that cannot be opened is named, and the others are closed', async (t) => {
  const config = join(await newFolder(t), 'c.json');
  const first = new MemoryBackend();
  const driver: BackendDriver = { schemes: ['first'], load: () => () => first };
  const context = contextWith({}, [], driver);
  await writeFile(
    config,
    '[{"url":"first://x"},{"url":"fiel://u:hunter2@h","description":"far away","colour":1}]',
  );
  await assert.rejects(context.registry.open(`multi://${config}`, context), (error) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'bad-url');
    assert.match(error.message, /^entry 2, far away: unknown scheme fiel:/);
    assert.ok(!error.message.includes('hunter2'));
    return true;
  });
  assert.deepEqual(first.calls, ['close']);
});

test('what a configuration file can do wrong', async (t) => {
  const folder = await newFolder(t);
  const events: OperationEvent[] = [];
  const context = contextWith({}, events);
  const open = (name: string) => context.registry.open(`multi://${folder}/${name}`, context);
  await assert.rejects(open('none.json'), {
    code: 'user-error',
    message: /could not read the multi configuration/,
  });
  await assert.rejects(open(''), { code: 'user-error' });

  await writeFile(join(folder, 'huge.json'), `[${' '.repeat(2 << 20)}]`);
  await assert.rejects(open('huge.json'), { code: 'user-error', message: /more than/ });

  await writeFile(join(folder, 'prefixes.json'), `[{"url":"file://${folder}/a","prefixes":["x"]}]`);
  await assert.rejects(open('prefixes.json'), { code: 'user-error', message: /do not go with mode stripe/ });
  await open('prefixes.json?mode=mirror');

  await writeFile(join(folder, 'self.json'), `[{"url":"multi://${folder}/other.json"}]`);
  await writeFile(
    join(folder, 'other.json'),
    `[{"url":"multi://${folder}/../${folder.split('/').pop()}/self.json"}]`,
  );
  await assert.rejects(open('self.json'), { code: 'user-error', message: /contains itself/ });

  assert.deepEqual(events, []);
  await writeFile(join(folder, 'more.json'), `[{"url":"file://${folder}/a","retries":3}]`);
  await open('more.json');
  assert.equal(events.length, 1);
});

test('the peer and we put the same names into the same folders', async (t) => {
  if (!needs(t, 'duplicity')) return;
  const folder = await newFolder(t);
  await mkdir(join(folder, 'source'));
  await writeFile(join(folder, 'source', 'file'), Buffer.alloc(3 << 20, 'incompressible'));
  const folders = ['a', 'b', 'c'];
  const plans = [
    { query: 'mode=stripe', prefixes: [undefined, undefined, undefined] },
    { query: 'mode=mirror&onfail=abort&subpath=/deeper', prefixes: [['cold_'], ['hot_'], undefined] },
    { query: 'mode=mirror', prefixes: [['cold_'], ['hot_', 'cold_'], ['h']] },
  ];
  for (const [index, { query, prefixes }] of plans.entries()) {
    const base = join(folder, `plan ${index}`);
    await mkdir(base);
    const configFor = async (who: string) => {
      const path = join(base, `${who}.json`);
      const entries = folders.map((name, index) => ({
        url: `file://${base}/${who}/${name}`,
        prefixes: prefixes[index],
      }));
      await writeFile(path, JSON.stringify(entries));
      return `multi://${path}?${query}`;
    };
    const env = { ...process.env, HOME: folder };
    const flags = '--no-encryption --no-compression --volsize 1 --num-retries 1'.split(' ');
    const names =
      '--file-prefix-manifest hot_ --file-prefix-signature other_ --file-prefix-archive cold_'.split(' ');
    const source = join(folder, 'source');
    const run = (...args: string[]) =>
      execFileSync('duplicity', [...args, ...flags, ...names, '--archive-dir', base], {
        env,
        encoding: 'utf8',
      });
    const log = run('full', '-v5', source, await configFor('peer'));
    const order = [...log.matchAll(/^Writing (\S+)$/gm)].map((match) => match[1]!);
    assert.ok(order.length >= 5, log);

    const context = contextWith({}, []);
    const address = await configFor('ours');
    const ours = await context.registry.open(address, context);
    for (const name of new Set(order)) await ours.put(name, sourceOf(name));
    const sub = query.includes('subpath') ? 'deeper' : '';
    const foldersOf = async (who: string) =>
      Promise.all(
        folders.map(async (name) => (await readdir(join(base, who, name, sub)).catch(() => [])).sort()),
      );
    assert.deepEqual(await foldersOf('ours'), await foldersOf('peer'), query);
    assert.deepEqual((await ours.list()).map(({ name }) => name).sort(), [...new Set(order)].sort());
  }
});
