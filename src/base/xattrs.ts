import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { type Koffi, loadKoffi } from './koffi.js';
import { throughNativeGate } from './native-gate.js';
import type { Latin1 } from './path-key.js';

/** What is asked: an open file, or a path. */
export type XattrTarget = number | Latin1;

/**
 * Extended attributes, synchronously. Names and values are bytes. A path that is a link is not followed, unless `follow`
 * says so. Errors: system errors with their `code`.
 */
export interface XattrCalls {
  names(target: XattrTarget, follow?: boolean): Latin1[];
  /** Undefined if there is no such attribute. */
  value(target: XattrTarget, name: Latin1, follow?: boolean): Buffer | undefined;
  set(target: XattrTarget, name: Latin1, value: Uint8Array): void;
  /** It is no error if there is none. */
  remove(target: XattrTarget, name: Latin1): void;
}

/** That a file system, or a kind of entry in it, has no such attributes. */
export const unsupportedCodes: ReadonlySet<string | undefined> = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

let loaded: { calls: XattrCalls | undefined } | undefined;

/**
 * The calls of the C library; Node has none for this. Undefined where there is no Linux or koffi, the optional package
 * that makes the calls, has no binary for this machine.
 */
export function xattrCalls(): XattrCalls | undefined {
  loaded ??= { calls: throughNativeGate(load) };
  return loaded.calls;
}

/** The system's limits of a list of names and of a value are 64 KiB. */
const mostBytes = 65536;

function load(): XattrCalls | undefined {
  const koffi = loadKoffi();
  try {
    return koffi && callsBy(koffi);
  } catch {
    return undefined;
  }
}

function callsBy(koffi: Koffi): XattrCalls {
  const calls = nativeCalls(koffi);
  return {
    names: (...given) => throughNativeGate(() => calls.names(...given)),
    value: (...given) => throughNativeGate(() => calls.value(...given)),
    set: (...given) => throughNativeGate(() => calls.set(...given)),
    remove: (...given) => throughNativeGate(() => calls.remove(...given)),
  };
}

function nativeCalls(koffi: Koffi): XattrCalls {
  const library = koffi.load(null);
  const path = 'const uint8_t *path';
  const name = 'const uint8_t *name';
  const out = 'uint8_t *out, size_t size';
  const value = 'const uint8_t *value, size_t size, int flags';
  const list = {
    open: library.func(`long flistxattr(int fd, ${out})`),
    link: library.func(`long llistxattr(${path}, ${out})`),
    followed: library.func(`long listxattr(${path}, ${out})`),
  };
  const get = {
    open: library.func(`long fgetxattr(int fd, ${name}, ${out})`),
    link: library.func(`long lgetxattr(${path}, ${name}, ${out})`),
    followed: library.func(`long getxattr(${path}, ${name}, ${out})`),
  };
  const set = {
    open: library.func(`int fsetxattr(int fd, ${name}, ${value})`),
    link: library.func(`int lsetxattr(${path}, ${name}, ${value})`),
  };
  const remove = {
    open: library.func(`int fremovexattr(int fd, ${name})`),
    link: library.func(`int lremovexattr(${path}, ${name})`),
  };
  const buffer = Buffer.allocUnsafeSlow(mostBytes);
  const pathBytes = Buffer.allocUnsafeSlow(mostBytes);
  const wayTo = (target: XattrTarget, follow = false) =>
    typeof target === 'number' ? 'open' : follow ? 'followed' : 'link';
  const place = (target: XattrTarget): number | Buffer => {
    if (typeof target === 'number') return target;
    if (target.length >= mostBytes) throw systemError(constants.errno.ENAMETOOLONG, 'path');
    pathBytes[pathBytes.write(target, 'latin1')] = 0;
    return pathBytes;
  };
  const failed = (call: string) => systemError(koffi.errno(), call);
  return {
    names: (target, follow) => {
      const ask = list[wayTo(target, follow)];
      const at = place(target);
      // Nearly all have none, and to ask for the size alone is faster.
      let size = ask(at, null, 0);
      if (size > 0) size = ask(at, buffer, buffer.length);
      if (size < 0) throw failed('listxattr');
      return size === 0 ? [] : buffer.toString('latin1', 0, size - 1).split('\0');
    },
    value: (target, name, follow) => {
      const size = get[wayTo(target, follow)](place(target), cString(name), buffer, buffer.length);
      if (size >= 0) return Buffer.from(buffer.subarray(0, size));
      const error = failed('getxattr');
      if (error.code === 'ENODATA') return undefined;
      throw error;
    },
    set: (target, name, value) => {
      const call = typeof target === 'number' ? set.open : set.link;
      if (call(place(target), cString(name), value, value.length, 0) < 0) throw failed('setxattr');
    },
    remove: (target, name) => {
      const call = typeof target === 'number' ? remove.open : remove.link;
      if (call(place(target), cString(name)) === 0) return;
      const error = failed('removexattr');
      if (error.code !== 'ENODATA') throw error;
    },
  };
}

function cString(name: Latin1): Buffer {
  return Buffer.from(`${name}\0`, 'latin1');
}

function systemError(errno: number, call: string): Error & { code: string } {
  const [code, message] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return Object.assign(new Error(`${code}: ${message}, ${call}`), { code });
}
