import type { ByteStream } from '../../base/bytes.js';
import { interrupted, unlessInterrupted } from '../../base/interruption.js';
import type { StorageBackend } from '../backend.js';

/** How long a put may take to remove what it has half written. */
const putGraceMs = 700;

/**
 * The same storage, whose calls end with an error as soon as the signal is raised, or a little later where they clean up.
 * Whatever they have begun may go on.
 */
export function interruptible(inner: StorageBackend, signal: AbortSignal): StorageBackend {
  function soon<T>(call: () => Promise<T>): Promise<T> {
    if (signal.aborted) return Promise.reject(interrupted());
    return unlessInterrupted(signal, 0, call());
  }
  const { cold } = inner;
  return {
    description: inner.description,
    promises: inner.promises,
    put: (name, source) => {
      if (signal.aborted) return Promise.reject(interrupted());
      const put = inner.put(name, { ...source, open: () => untilRaised(source.open(), signal) });
      return unlessInterrupted(signal, putGraceMs, put);
    },
    get: (name) => soon(() => inner.get(name)),
    list: () => soon(() => inner.list()),
    stat: (name) => soon(() => inner.stat(name)),
    remove: (names) => soon(() => inner.remove(names)),
    close: () => inner.close(),
    ...(inner.localPathOf && { localPathOf: inner.localPathOf.bind(inner) }),
    ...(cold && {
      cold: {
        survey: () => soon(() => cold.survey()),
        thaw: (names) => soon(() => cold.thaw(names)),
      },
    }),
  };
}

async function* untilRaised(bytes: ByteStream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    if (signal.aborted) throw interrupted();
    yield piece;
  }
}
