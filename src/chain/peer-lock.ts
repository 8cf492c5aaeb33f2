import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants, open, readFile, realpath, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { basename, delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TundraError } from '../base/errors.js';
import { takeRecordLock } from './record-lock.js';

type Environment = Readonly<Record<string, string | undefined>>;

const answerWithinMs = 10_000;
const endWithinMs = 2_000;
/** A run that has just died can hold its lock for a moment more. */
const looks = 5;
const lookPauseMs = 100;

/**
 * Takes the lock, says so, and keeps it until its input ends: at the latest when we end, however that happens. The file
 * that it locked may have been removed by who held it before; then it locks the new one. At the end it removes the
 * file, as the peer does.
 */
const lockHolder = `
import fcntl, os, sys
path = sys.argv[1]
while True:
    file = open(path, 'a')
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        print('busy')
        sys.exit()
    try:
        found = os.stat(path)
    except FileNotFoundError:
        continue
    if os.path.samestat(found, os.fstat(file.fileno())):
        break
print('held', flush=True)
sys.stdin.buffer.read()
os.remove(path)
`;

/**
 * Keeps the peer from using an archive folder. It locks the file `lockfile` there with POSIX record locks, of which Node
 * knows nothing: the C library is called for them. Where that cannot be, two things are done:
 *
 * - Where Linux tells of such locks (`/proc/locks`), one on that file is a `user-error` that names its holder.
 * - Where there is a `duplicity` in the path, the Python that runs it takes the same lock and holds it for us.
 *
 * Where none of these can be had, as without Python or on a file system without locks, nothing keeps the peer out.
 */
export async function keepPeerOut(
  folder: string,
  env: Environment,
  takeLock = takeRecordLock,
): Promise<{ release(): Promise<void> }> {
  const path = join(await realpath(folder), 'lockfile');
  for (let look = 1; ; look++) {
    const lock = takeLock(path) ?? (await lockOtherwise(path, env));
    if (lock !== 'busy') return { release: async () => lock?.release() };
    const pid = await lockedBy(path);
    if (look < looks) {
      await sleep(lookPauseMs);
      continue;
    }
    const who = pid === undefined || pid <= 0 ? '' : `, process ${pid},`;
    throw new TundraError('user-error', `a run of duplicity${who} uses the local archive ${folder}`, {
      advice: 'Wait until that run has ended.',
      retry: 'later',
    });
  }
}

/** Undefined where there is no lock to be had. */
async function lockOtherwise(
  path: string,
  env: Environment,
): Promise<{ release(): Promise<void> } | 'busy' | undefined> {
  if ((await lockedBy(path)) !== undefined) return 'busy';
  const python = await pythonOfPeer(env);
  const child = python === undefined ? undefined : await holdLock(path, python, env);
  return child === undefined || child === 'busy' ? child : { release: () => endHolder(child) };
}

/**
 * The process that has a record lock on a file; 0 or less if it is in another container. Lines of `/proc/locks` look like
 * `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF`: number, kind, manner, access, process, device and inode (major and
 * minor in hex), range. Those that wait for a lock have `->` behind their number.
 */
async function lockedBy(path: string): Promise<number | undefined> {
  let place: string;
  let lines: string;
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    place = `${hexByte(major)}:${hexByte(minor)}:${ino}`;
    lines = await readFile('/proc/locks', 'latin1');
  } catch {
    return undefined;
  }
  for (const line of lines.split('\n')) {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    if ((kind === 'POSIX' || kind === 'OFDLCK') && where === place) return Number(pid);
  }
  return undefined;
}

function hexByte(number: bigint): string {
  return number.toString(16).padStart(2, '0');
}

/** The Python that the peer's first line names; undefined if there is no peer in the path, or it is no Python program. */
async function pythonOfPeer(env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const program = join(folder, 'duplicity');
    try {
      await access(program, constants.X_OK);
      const [interpreter, argument] = await interpreterOf(program);
      const python = basename(interpreter ?? '') === 'env' ? argument : interpreter;
      return python !== undefined && basename(python).startsWith('python') ? python : undefined;
    } catch {
      // Not here, or not ours to read.
    }
  }
  return undefined;
}

/** The words after `#!`. */
async function interpreterOf(program: string): Promise<string[]> {
  const file = await open(program);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256));
    const [line = ''] = buffer.toString('latin1', 0, bytesRead).split('\n');
    return line.startsWith('#!') ? line.slice(2).trim().split(/\s+/) : [];
  } finally {
    await file.close();
  }
}

type Holder = ChildProcess & { stdin: Socket; stdout: Readable };

/** Has the lock held by a process of its own; undefined if that cannot be done. */
async function holdLock(
  path: string,
  python: string,
  env: Environment,
): Promise<Holder | 'busy' | undefined> {
  // Detached: the terminal's Ctrl-C is for us, and the lock must last until we have ended.
  const child = spawn(python, ['-I', '-S', '-c', lockHolder, path], {
    cwd: '/',
    env: { ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  }) as Holder;
  child.stdin.on('error', () => {});
  const answer = await firstLine(child);
  if (answer === 'held') {
    // None of these may keep our process from ending.
    child.unref();
    child.stdin.unref();
    child.stdout.destroy();
    return child;
  }
  child.stdin.destroy();
  child.kill('SIGKILL');
  return answer === 'busy' ? 'busy' : undefined;
}

/** The first line a process writes; undefined if it ends or takes too long before that. */
function firstLine(child: Holder): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => resolve(undefined), answerWithinMs);
    const finish = (line: string | undefined) => {
      clearTimeout(timer);
      resolve(line);
    };
    child.stdout.on('data', (piece) => {
      text += piece;
      const end = text.indexOf('\n');
      if (end >= 0) finish(text.slice(0, end));
    });
    child.once('error', () => finish(undefined));
    child.once('close', () => finish(undefined));
  });
}

async function endHolder(child: Holder): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const timer = setTimeout(() => child.kill('SIGKILL'), endWithinMs);
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.stdin.end();
  });
  clearTimeout(timer);
}
