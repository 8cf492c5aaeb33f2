import type { ByteStream } from '../../src/base/bytes.js';
import { collectBytes } from '../../src/base/bytes.js';
import { TundraError } from '../../src/base/errors.js';
import type { PutSource, StorageBackend, StoredObject } from '../../src/storage/backend.js';

export type Call = 'put' | 'get' | 'list' | 'stat' | 'remove' | 'close';

/** A storage in memory. `fault` is asked before each call, and before the last step of a put: what it gives is thrown. */
export class MemoryBackend implements StorageBackend {
  readonly promises = { atomicPut: true, consistentList: true };
  readonly description: string;
  readonly objects: Map<string, Buffer>;
  readonly calls: string[] = [];
  fault: ((call: Call, name: string) => Error | undefined) | undefined;

  constructor(description = 'memory://', objects = new Map<string, Buffer>()) {
    this.description = description;
    this.objects = objects;
  }

  async put(name: string, source: PutSource): Promise<void> {
    this.#enter('put', name);
    const bytes = await collectBytes(source.open(), 64 << 20);
    if (bytes.length !== source.sizeBytes) throw new TundraError('backend', `${name} has a wrong size`);
    const late = this.fault?.('put', name);
    if (late) throw late;
    this.objects.set(name, bytes);
  }

  async get(name: string): Promise<ByteStream> {
    this.#enter('get', name);
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new TundraError('backend-not-found', `${name} is not there`);
    return (async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    })();
  }

  async list(): Promise<StoredObject[]> {
    this.#enter('list', '');
    return [...this.objects].map(([name, { length }]) => ({ name, sizeBytes: length }));
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    this.#enter('stat', name);
    const bytes = this.objects.get(name);
    return bytes && { name, sizeBytes: bytes.length };
  }

  async remove(names: readonly string[]): Promise<void> {
    this.#enter('remove', names.join(' '));
    for (const name of names) this.objects.delete(name);
  }

  async close(): Promise<void> {
    this.#enter('close', '');
  }

  #enter(call: Call, name: string): void {
    this.calls.push(name === '' ? call : `${call} ${name}`);
    const error = this.fault?.(call, name);
    if (error) throw error;
  }
}
