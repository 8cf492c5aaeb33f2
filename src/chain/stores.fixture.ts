import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { noPrefixes } from '../format/names.js';
import type { Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';
import { LocalArchive } from './archive.js';
import type { MetadataStores } from './metadata.js';

/** A folder that is removed when the test is over. */
export function temporaryFolder(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-chain-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One stream of pieces that are overwritten when the next one is asked for, as streams may do. */
export async function* lentPieces(bytes: Uint8Array, pieceBytes = 1000): ByteStream {
  const lent = Buffer.alloc(pieceBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    lent.set(piece);
    yield lent.subarray(0, piece.length);
  }
}

/** A storage in memory that counts what is asked of it. */
export class MemoryBackend implements StorageBackend {
  readonly description = 'memory';
  readonly promises = { atomicPut: true, consistentList: true };
  readonly objects = new Map<string, Uint8Array>();
  readonly fetched: string[] = [];
  /** Objects whose stream breaks off in the middle. */
  readonly broken = new Set<string>();
  /** How often the stream of an object breaks off before it comes whole. */
  readonly breaks = new Map<string, number>();

  async put(): Promise<void> {
    throw new Error('nothing is stored here');
  }

  async get(name: string): Promise<ByteStream> {
    this.fetched.push(name);
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new TundraError('backend-not-found', `${name} is not there`);
    const breaks = this.breaks.get(name) ?? 0;
    this.breaks.set(name, Math.max(breaks - 1, 0));
    return breaks > 0 || this.broken.has(name) ? breakingOff(bytes) : lentPieces(bytes);
  }

  async list() {
    return [...this.objects].map(([name, bytes]) => ({ name, sizeBytes: bytes.length }));
  }

  async stat(name: string) {
    const bytes = this.objects.get(name);
    return bytes === undefined ? undefined : { name, sizeBytes: bytes.length };
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) this.objects.delete(name);
  }

  async close(): Promise<void> {}
}

async function* breakingOff(bytes: Uint8Array): ByteStream {
  yield bytes.subarray(0, bytes.length / 2);
  throw new TundraError('connection', 'the line went dead', { retry: 'now' });
}

/** A folder as a storage whose files can be opened in place. */
export function folderBackend(folder: string): StorageBackend {
  const memory = new MemoryBackend();
  for (const name of readdirSync(folder)) memory.objects.set(name, readFileSync(join(folder, name)));
  return Object.assign(memory, {
    localPathOf: (name: string) => (existsSync(join(folder, name)) ? join(folder, name) : undefined),
  });
}

/** What the tests put before bytes that pass for encrypted; a passphrase opens real ones with gpg. */
export const fakeSeal = Buffer.from('SEALED:');

/** An opener that also notes which paths it was given. */
export function testOpener(passphrase?: string): Opener & { opened: string[] } {
  const opened: string[] = [];
  return {
    opened,
    async open(path, sealing, name) {
      opened.push(path);
      let bytes: Buffer = readFileSync(path);
      if (sealing.encrypted && passphrase !== undefined) bytes = decrypt(path, passphrase);
      else if (sealing.encrypted) {
        if (!bytes.subarray(0, fakeSeal.length).equals(fakeSeal)) {
          throw new TundraError('encryption', `${name} cannot be opened`);
        }
        bytes = bytes.subarray(fakeSeal.length);
      }
      if (sealing.compressed) bytes = gunzipSync(bytes);
      return { bytes: lentPieces(bytes), signedBy: undefined };
    },
    check: async () => undefined,
    readable: async () => undefined,
    checkKey: async () => undefined,
  };
}

function decrypt(path: string, passphrase: string): Buffer {
  const options = ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase-fd', '0', '-d', path];
  const { status, stdout, stderr } = spawnSync('gpg', options, { input: `${passphrase}\n` });
  if (status !== 0) throw new TundraError('encryption', String(stderr));
  return stdout;
}

export interface TestStores extends MetadataStores {
  opener: Opener & { opened: string[] };
  told: OperationEvent[];
  /** What was told, as text. */
  texts(): string[];
}

/** Stores with an archive in `folder`, and what they told. */
export async function testStores<Backend extends StorageBackend>(
  folder: string,
  backend: Backend,
  passphrase?: string,
): Promise<TestStores & { backend: Backend }> {
  const told: OperationEvent[] = [];
  return {
    archive: await LocalArchive.open(join(folder, 'archive')),
    backend,
    opener: testOpener(passphrase),
    prefixes: noPrefixes,
    temporaryFolder: folder,
    retries: { attempts: 3, delayMs: 1 },
    events: (event) => told.push(event),
    told,
    texts: () => told.map((event) => (event.kind === 'message' ? event.text : event.kind)),
  };
}

/** The plain bytes of every file in a folder, as text; of long ones the hash. */
export function plainContents(folder: string): Record<string, string> {
  const contents: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (name === 'lockfile' || statSync(path).isDirectory()) continue;
    const bytes = readFileSync(path);
    const plain = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    const hash = createHash('sha1').update(plain).digest('hex');
    contents[name] = plain.length > 1000 ? `${plain.length} ${hash}` : plain.toString('latin1');
  }
  return contents;
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
