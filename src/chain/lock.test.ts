import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { isRunning, startOfProcess } from '../base/process-start.js';
import { acquireArchiveLock } from './lock.js';
import { keepPeerOut } from './peer-lock.js';
import { takeRecordLock } from './record-lock.js';

/** No duplicity in the path: only our own lock is taken. */
const alone = { env: { PATH: '/nonexistent' } };
const withPeer = { env: process.env };
const lockModule = new URL('./lock.js', import.meta.url).href;

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tundra-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function heldBy(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'user-error');
    assert.equal(error.exitStatus, 23);
    assert.match(error.message, pattern);
    return true;
  };
}

/** Writes a lock as a run would, with some of it changed. */
async function leaveLock(
  folder: string,
  change: Record<string, unknown>,
  name = 'lockfile.tundra',
): Promise<void> {
  const start = startOfProcess(process.pid);
  const lock = {
    pid: process.pid,
    start,
    host: hostname(),
    since: '2026-01-02T03:04:05.678Z',
    token: 'a'.repeat(16),
  };
  await writeFile(join(folder, name), JSON.stringify({ ...lock, ...change }));
}

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync('true').pid;
}

/** A process of ours that takes the lock, says so, and then waits or ends. */
async function lockInChild(
  folder: string,
  env: NodeJS.ProcessEnv,
  then: 'wait' | 'end',
): Promise<ChildProcess> {
  const script = `
    const { acquireArchiveLock } = await import(process.argv[1]);
    await acquireArchiveLock(process.argv[2], { env: process.env });
    console.log('held');
    ${then === 'wait' ? 'setTimeout(() => {}, 60_000);' : ''}
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, lockModule, folder], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

test('a second run learns who holds the lock, until it is released', async (t) => {
  const folder = await newFolder(t);
  const lock = await acquireArchiveLock(folder, alone);
  const pattern = new RegExp(`process ${process.pid}, uses .* since \\d{4}-\\d\\d-\\d\\dT`);
  await assert.rejects(acquireArchiveLock(folder, alone), heldBy(pattern));
  await lock.release();
  assert.deepEqual(await readdir(folder), []);
  const next = await acquireArchiveLock(folder, alone);
  await lock.release();
  await assert.rejects(
    acquireArchiveLock(folder, alone),
    heldBy(pattern),
    'a late second release does no harm',
  );
  await next.release();
  assert.deepEqual(await readdir(folder), []);
});

test('a lock of a process that has died is taken over', async (t) => {
  const folder = await newFolder(t);
  const child = await lockInChild(folder, { PATH: '/nonexistent' }, 'wait');
  await assert.rejects(acquireArchiveLock(folder, alone), heldBy(new RegExp(`process ${child.pid},`)));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok((await readdir(folder)).includes('lockfile.tundra'));
  await (await acquireArchiveLock(folder, alone)).release();
  assert.deepEqual(await readdir(folder), []);
});

test('a later process with the number of the dead one does not hold the lock', async (t) => {
  if (startOfProcess(process.pid) === undefined) return t.skip('needs Linux: the start of a process');
  const folder = await newFolder(t);
  await leaveLock(folder, { start: 'another start of the system 1' });
  await (await acquireArchiveLock(folder, alone)).release();
  await leaveLock(folder, {});
  await assert.rejects(acquireArchiveLock(folder, alone), heldBy(/since 2026-01-02/));
  await leaveLock(folder, { start: null });
  await assert.rejects(acquireArchiveLock(folder, alone), heldBy(/since 2026-01-02/));
});

test('a lock of another host is told, not taken', async (t) => {
  const folder = await newFolder(t);
  await leaveLock(folder, { pid: deadPid(), host: 'elsewhere' });
  await assert.rejects(acquireArchiveLock(folder, alone), (error) => {
    heldBy(/process \d+ on elsewhere, uses/)(error);
    assert.match((error as TundraError).advice ?? '', /remove .*lockfile\.tundra/);
    return true;
  });
});

test('of many that find a dead lock, one gets it', async (t) => {
  const folder = await newFolder(t);
  for (const deadTakeover of [false, true]) {
    await leaveLock(folder, { pid: deadPid() });
    if (deadTakeover) {
      const token = 'b'.repeat(16);
      await leaveLock(folder, { pid: deadPid(), token }, `lockfile.tundra.${'a'.repeat(16)}`);
      await leaveLock(folder, { pid: deadPid(), token: 'c'.repeat(16) }, `lockfile.tundra.${token}`);
    }
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, () => acquireArchiveLock(folder, alone)),
    );
    const taken = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(taken.length, 1);
    for (const result of results) if (result.status === 'rejected') heldBy(/another run/)(result.reason);
    await taken[0]!.release();
    assert.deepEqual(await readdir(folder), []);
  }
});

test('a lock file that holds no lock is one that is being written, or rubbish', async (t) => {
  const folder = await newFolder(t);
  const path = join(folder, 'lockfile.tundra');
  const good = { pid: 1, start: null, host: 'h', since: 's', token: 'a'.repeat(16) };
  const contents = ['', '{', 'null', '[]', '7', '{"pid":"1"}'].concat(
    [{ pid: -1 }, { pid: 1e99 }, { start: 5 }, { host: 1 }, { token: '../../x' }].map((bad) =>
      JSON.stringify({ ...good, ...bad }),
    ),
  );
  for (const content of contents) {
    await writeFile(path, content);
    await assert.rejects(acquireArchiveLock(folder, alone), heldBy(/just taking/), content);
    const longAgo = new Date(Date.now() - 3600_000);
    await utimes(path, longAgo, longAgo);
    await (await acquireArchiveLock(folder, alone)).release();
    assert.deepEqual(await readdir(folder), []);
  }
});

test('locks that lead to each other come to an end', async (t) => {
  const folder = await newFolder(t);
  const pid = deadPid();
  await leaveLock(folder, { pid });
  await leaveLock(folder, { pid }, `lockfile.tundra.${'a'.repeat(16)}`);
  await assert.rejects(acquireArchiveLock(folder, alone), heldBy(/could not be taken over/));
});

test('a folder that cannot hold a lock', async (t) => {
  const folder = await newFolder(t);
  await assert.rejects(acquireArchiveLock(join(folder, 'absent'), alone), { code: 'bad-archive-dir' });
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(acquireArchiveLock(join(folder, 'file'), alone), { code: 'bad-archive-dir' });
  await mkdir(join(folder, 'lockfile.tundra'));
  await assert.rejects(acquireArchiveLock(folder, alone), { code: 'bad-archive-dir' });
});

test('processes are told apart', () => {
  const start = startOfProcess(process.pid) ?? null;
  assert.equal(isRunning(process.pid, start), true);
  assert.equal(isRunning(process.pid, null), true);
  assert.equal(isRunning(deadPid(), start), false);
  if (start !== null) assert.equal(isRunning(process.pid, `${start}1`), false);
});

/** Runs the peer on an archive; its status and all it says. */
function runPeer(archive: string, ...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(
    'duplicity',
    [...args, '--archive-dir', archive, '--name', 'one'],
    {
      encoding: 'utf8',
    },
  );
  return { status, text: stdout + stderr };
}

test('without native calls, the Python of the peer keeps it out', async (t) => {
  if (!needs(t, 'duplicity', 'python3')) return;
  const archive = await newFolder(t);
  const folder = join(archive, 'one');
  await mkdir(folder);
  const none = () => undefined;
  const lock = await keepPeerOut(folder, withPeer.env, none);
  const kept = runPeer(archive, 'collection-status', `file://${archive}/target`);
  assert.equal(kept.status, 23, kept.text);
  // Nor does another of us get in, in either way.
  for (const takeLock of [none, takeRecordLock]) {
    await assert.rejects(keepPeerOut(folder, withPeer.env, takeLock), heldBy(/duplicity, process \d+,/));
  }
  await lock.release();
  assert.deepEqual(await readdir(folder), []);
});

test('the peer does not run while we do', async (t) => {
  if (!needs(t, 'duplicity', 'python3')) return;
  const archive = await newFolder(t);
  const folder = join(archive, 'one');
  await mkdir(folder);
  const lock = await acquireArchiveLock(folder, withPeer);
  const target = `file://${archive}/target`;
  // As a backup of the folder does: it must not cost the lock.
  await readFile(join(folder, 'lockfile'));
  const kept = runPeer(archive, 'collection-status', target);
  assert.equal(kept.status, 23, kept.text);
  assert.match(kept.text, /already running/);
  await lock.release();
  assert.deepEqual(await readdir(folder), []);
  const free = runPeer(archive, 'collection-status', target);
  assert.equal(free.status, 0, free.text);
});

test('we do not run while the peer does', async (t) => {
  if (!needs(t, 'duplicity', 'python3')) return;
  const archive = await newFolder(t);
  const folder = join(archive, 'one');
  const target = join(archive, 'target');
  await mkdir(target);
  // The peer waits for the other end of this pipe, with its lock held.
  execFileSync('mkfifo', [join(target, 'duplicity-full-signatures.20260101T000000Z.sigtar')]);
  await writeFile(join(target, 'duplicity-full.20260101T000000Z.manifest'), '');
  await writeFile(join(target, 'duplicity-full.20260101T000000Z.vol1.difftar'), '');
  const peer = spawn(
    'duplicity',
    ['list-current-files', `file://${target}`, '--archive-dir', archive, '--name', 'one'],
    {
      stdio: 'ignore',
    },
  );
  try {
    const locked = () => readFile('/proc/locks', 'latin1').then((text) => text.includes(` ${peer.pid} `));
    while (!existsSync(join(folder, 'lockfile')) || !(await locked())) {
      assert.equal(peer.exitCode, null, 'the peer has ended');
      await sleep(20);
    }
    for (const options of [alone, withPeer]) {
      await assert.rejects(
        acquireArchiveLock(folder, options),
        heldBy(new RegExp(`duplicity, process ${peer.pid},`)),
      );
    }
  } finally {
    peer.kill('SIGKILL');
    await once(peer, 'exit');
  }
  await (await acquireArchiveLock(folder, withPeer)).release();
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith('lockfile')));
});

test('the lock neither keeps a process from ending nor outlives it', async (t) => {
  if (!needs(t, 'duplicity', 'python3')) return;
  const folder = await newFolder(t);
  for (const then of ['end', 'wait'] as const) {
    const child = await lockInChild(folder, process.env, then);
    if (then === 'wait') {
      assert.ok(existsSync(join(folder, 'lockfile')));
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    // Where there is no koffi, its Python process follows at once; until then we look again.
    await (await acquireArchiveLock(folder, withPeer)).release();
    assert.deepEqual(await readdir(folder), []);
  }
});
