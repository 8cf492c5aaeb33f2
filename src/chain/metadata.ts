import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { EventSink } from '../base/events.js';
import { temporaryPlace } from '../base/local-disk.js';
import type { PathKey } from '../base/path-key.js';
import { type FileChange, type Manifest, ManifestParser } from '../format/manifest.js';
import { type NamePrefixes, parseRemoteName, type RemoteName } from '../format/names.js';
import type { Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';
import { type RereadOptions, readWhole } from '../storage/read-whole.js';
import type { LocalArchive } from './archive.js';
import { writeNewFile } from './new-file.js';

const longestLineBytes = 1 << 20;

/** Where manifests and signatures are: on the storage, sealed, and in the local archive, plain. */
export interface MetadataStores {
  archive: LocalArchive;
  backend: StorageBackend;
  opener: Opener;
  prefixes: NamePrefixes;
  /** An existing folder for sealed files on their way from the storage. */
  temporaryFolder: string;
  /** How often a file is read from the storage where it breaks off. */
  retries: Pick<RereadOptions, 'attempts' | 'delayMs'>;
  events: EventSink;
}

/** What a file of the storage is called without the suffix that says how it is sealed. */
export function unsealedName(name: string): string {
  return name.replace(/\.(?:gpg|gz|g|z|part|p)$/, '');
}

/** The name in the local archive: manifests are plain there, signatures gzipped. Short names have short suffixes. */
export function localNameOf(remoteName: string, kind: RemoteName['kind']): string {
  const plain = unsealedName(remoteName);
  if (kind !== 'signatures') return plain;
  return plain.endsWith('.st') ? `${plain}.z` : `${plain}.gz`;
}

/** Copies a manifest or a signature file from the storage to the local archive, streaming. */
export async function fetchToArchive(stores: MetadataStores, remoteName: string): Promise<void> {
  const { archive } = stores;
  const parsed = parseName(stores, remoteName);
  const localName = localNameOf(remoteName, parsed.kind);
  if (parsed.kind === 'signatures' && parsed.compressed && !parsed.encrypted) {
    await fetchWhole(stores, remoteName, (bytes) => archive.writeGzipped(localName, bytes));
  } else {
    await openRemote(stores, remoteName, (plain) => archive.write(localName, plain));
  }
}

/** Reads a file of the storage; where it breaks off, `use` is called again with its bytes from the start. */
function fetchWhole<T>(
  { backend, retries, events }: MetadataStores,
  remoteName: string,
  use: (bytes: ByteStream) => Promise<T>,
): Promise<T> {
  return readWhole(backend, remoteName, use, { ...retries, onEvent: events });
}

/**
 * Opens a file of the storage and hands on its plain bytes. Nothing is left on the local disk. Where the storage breaks
 * off, `use` may be called again, with the bytes from the start.
 */
export async function openRemote<T>(
  stores: MetadataStores,
  remoteName: string,
  use: (plain: ByteStream) => Promise<T>,
): Promise<T> {
  const { backend, opener, temporaryFolder } = stores;
  const { encrypted, compressed } = parseName(stores, remoteName);
  if (!encrypted && !compressed) return fetchWhole(stores, remoteName, use);
  const openAt = async (path: string) =>
    use((await opener.open(path, { encrypted, compressed }, remoteName)).bytes);
  const inPlace = backend.localPathOf?.(remoteName);
  if (inPlace !== undefined) return openAt(inPlace);
  const spool = join(temporaryFolder, `tundra-${randomBytes(8).toString('hex')}.spool`);
  try {
    await fetchWhole(stores, remoteName, async (bytes) => {
      await rm(spool, { force: true });
      await writeNewFile(spool, bytes, temporaryPlace);
    });
    return await openAt(spool);
  } finally {
    await rm(spool, { force: true });
  }
}

function parseName({ prefixes }: MetadataStores, remoteName: string): RemoteName {
  const parsed = parseRemoteName(remoteName, prefixes);
  if (parsed === undefined) throw new TundraError('format', `${remoteName} is no name of a backup's file`);
  return parsed;
}

/** Reads the manifest of a set from the storage. */
export function readRemoteManifest(stores: MetadataStores, remoteName: string): Promise<Manifest> {
  return openRemote(stores, remoteName, (plain) => readManifest(plain, remoteName));
}

/** Reads a manifest of the local archive. */
export function readLocalManifest(archive: LocalArchive, name: string): Promise<Manifest> {
  return readManifest(archive.read(name), archive.pathOf(name));
}

async function readManifest(plain: ByteStream, name: string): Promise<Manifest> {
  const parser = new ManifestParser();
  try {
    for await (const piece of plain) parser.update(piece);
    return parser.finish();
  } catch (error) {
    throw error instanceof TundraError && error.code === 'unreadable-manifests' ? named(error, name) : error;
  }
}

function named(error: TundraError, name: string): TundraError {
  return new TundraError(error.code, `${name}: ${error.message}`, { cause: error });
}

/** An entry of a manifest's list of files. */
export interface ListedFile {
  change: FileChange;
  key: PathKey;
}

/** The regular files that a manifest lists as new, changed or deleted, streamed from its plain bytes. */
export async function* listedFiles(plain: ByteStream): AsyncGenerator<ListedFile> {
  let files: ListedFile[] = [];
  const parser = new ManifestParser({ onFile: (change, key) => files.push({ change, key }) });
  for await (const piece of plain) {
    parser.update(piece);
    yield* files;
    files = [];
  }
  parser.finish();
  yield* files;
}

/**
 * Whether the text of a manifest ends with its list of files, all that the list says it has. That is written last: then
 * nothing was cut off. Old manifests have no such list.
 */
export async function endsWithFileList(plain: ByteStream): Promise<boolean> {
  let missing: number | undefined;
  let tail = '';
  const take = (line: string) => {
    const count = /^filelist +([0-9]+)/i.exec(line)?.[1];
    if (count !== undefined) missing = Number(count);
    else if (!line.startsWith(' ')) missing = undefined;
    else if (missing !== undefined) missing--;
  };
  for await (const piece of plain) {
    const lines = (tail + Buffer.from(piece).toString('latin1')).split('\n');
    tail = lines.pop() ?? '';
    for (const line of lines) take(line);
    if (tail.length > longestLineBytes) return false;
  }
  if (tail !== '') take(tail);
  return missing === 0;
}
