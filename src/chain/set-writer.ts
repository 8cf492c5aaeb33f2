import { closeSync, createReadStream, fsyncSync, openSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { archivePlace, diskError, onDisk, writeAllSync } from '../base/local-disk.js';
import type { Latin1 } from '../base/path-key.js';
import {
  formatFileListHeader,
  formatManifestHeader,
  formatVolumeRecord,
  type VolumeRecord,
} from '../format/manifest.js';
import { formatRemoteName, type NamePrefixes, type SetTimes } from '../format/names.js';
import { type AccessPoint, AccessPointWriter, accessPointsName } from './access-points.js';
import type { LocalArchive } from './archive.js';
import { type Checkpoint, type CheckpointVolume, CheckpointWriter, checkpointName } from './checkpoint.js';

/** How the files of a set are sealed on the storage. */
export interface Sealing {
  encrypted: boolean;
  compressed: boolean;
}

/** What the files of a set are called. */
export interface SetNames {
  volume(number: number): string;
  /** On the storage. */
  manifest: string;
  signatures: string;
  /** In the local archive. */
  localManifest: string;
  localSignatures: string;
  partialManifest: string;
  partialSignatures: string;
}

export function setNames(set: SetTimes, sealing: Sealing, prefixes: NamePrefixes): SetNames {
  const plain = { encrypted: false, compressed: false };
  const name = (kind: 'manifest' | 'signatures', how: Sealing, partial: boolean) =>
    formatRemoteName({ kind, set, partial, ...how }, prefixes);
  return {
    volume: (volume) =>
      formatRemoteName({ kind: 'volume', set, volume, partial: false, ...sealing }, prefixes),
    manifest: name('manifest', { encrypted: sealing.encrypted, compressed: false }, false),
    signatures: name('signatures', sealing, false),
    localManifest: name('manifest', plain, false),
    localSignatures: name('signatures', { encrypted: false, compressed: true }, false),
    partialManifest: name('manifest', plain, true),
    partialSignatures: name('signatures', plain, true),
  };
}

/** A set in the making. */
export interface SetBeginning {
  times: SetTimes;
  names: SetNames;
  hostname: string | undefined;
  localDir: Latin1 | undefined;
  /** Volumes that are on the storage already. */
  volumes: readonly VolumeRecord[];
}

/** A volume that is sealed, and what is noted of it beside the manifest. */
export interface NewVolume {
  record: VolumeRecord;
  sizeBytes: number;
  sha1Hex: string;
  accessPoints: readonly AccessPoint[];
  /** Of the file in the middle of which it ends. */
  file: CheckpointVolume['file'];
}

/**
 * The local files of a set in the making. Until the first volume is sealed they have temporary names; then they get the
 * names of a partial set, as duplicity expects to find them after an interruption; `finish` makes them final. Where the
 * set was begun by an interrupted run, its files stay as they are until then.
 */
export class SetWriter {
  readonly names: SetNames;
  readonly #archive: LocalArchive;
  readonly #manifestFd: number;
  readonly #times: SetTimes;
  #checkpoint: CheckpointWriter | undefined;
  readonly #accessPoints: AccessPointWriter;
  #manifestPath: string;
  /** Where the plain signatures are being written. */
  signaturePath: string;
  /** Where the lines of the file list gather. */
  readonly fileListPath: string;
  /** Whether what was written has the names of a partial set. */
  #isPartial = false;
  /** Whether an interrupted run has left such files. */
  readonly #goesOn: boolean;
  readonly #temporaryPaths: string[];
  #isOpen = true;

  constructor(archive: LocalArchive, beginning: SetBeginning) {
    this.names = beginning.names;
    this.#goesOn = beginning.volumes.length > 0;
    this.#archive = archive;
    const paths = Array.from({ length: 3 }, () => archive.newTemporaryPath()) as [string, string, string];
    [this.#manifestPath, this.signaturePath, this.fileListPath] = paths;
    this.#manifestFd = onDisk(archivePlace, this.#manifestPath, () =>
      openSync(this.#manifestPath, 'wx', 0o600),
    );
    this.#append(formatManifestHeader(beginning));
    for (const volume of beginning.volumes) this.#append(formatVolumeRecord(volume));
    this.#times = beginning.times;
    this.#accessPoints = new AccessPointWriter(archive);
    this.#temporaryPaths = [...paths, this.#accessPoints.path];
  }

  /** Notes how the set is sealed, and the volumes that are on the storage already: before a volume is added. */
  note(checkpoint: Checkpoint): void {
    this.#checkpoint = new CheckpointWriter(this.#archive, this.#times, checkpoint);
    this.#temporaryPaths.push(this.#checkpoint.path);
  }

  /** Records a sealed volume; it is on the disk when this returns, and before it the signatures that were written so far. */
  async addVolume({ record, sizeBytes, sha1Hex, accessPoints, file }: NewVolume): Promise<void> {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined) throw new Error('the set was not noted');
    await syncFile(this.signaturePath);
    this.#accessPoints.add(record.number, sha1Hex, accessPoints);
    checkpoint.add({ volume: record.number, sizeBytes, sha1Hex, file });
    this.#append(formatVolumeRecord(record));
    fsyncSync(this.#manifestFd);
    if (this.#isPartial) return;
    await this.#archive.keepAs(this.signaturePath, this.names.partialSignatures);
    this.signaturePath = this.#archive.pathOf(this.names.partialSignatures);
    await this.#archive.keepAs(checkpoint.path, checkpointName);
    await this.#archive.keepAs(this.#manifestPath, this.names.partialManifest);
    this.#manifestPath = this.#archive.pathOf(this.names.partialManifest);
    this.#isPartial = true;
  }

  /** Ends the manifest with its file list and returns where it lies. */
  async endManifest(fileListCount: number): Promise<string> {
    this.#append(formatFileListHeader(fileListCount));
    if (fileListCount > 0) {
      for await (const piece of createReadStream(this.fileListPath)) this.#write(piece as Buffer);
    }
    fsyncSync(this.#manifestFd);
    this.#close();
    return this.#manifestPath;
  }

  /** Puts the finished files under their final names; the partial ones go. */
  async finish(localSignaturePath: string): Promise<void> {
    await this.#archive.keepAs(localSignaturePath, this.names.localSignatures);
    await this.#archive.keepAs(this.#manifestPath, this.names.localManifest);
    if (this.#accessPoints.close()) {
      await this.#archive.keepAs(this.#accessPoints.path, accessPointsName(this.names.localManifest));
    }
    await this.#removeWorkFiles();
    await removePartialFiles(this.#archive, this.names);
  }

  /** Ends without a finished set. What a later run can go on from stays; without a volume, that is nothing. */
  async abandon(): Promise<void> {
    this.#close();
    await this.#removeWorkFiles();
    if (this.#isPartial || this.#goesOn) return;
    // The manifest gets its name last: without it the others stand for nothing.
    await this.#archive.remove(this.names.partialSignatures);
    await this.#archive.remove(checkpointName);
  }

  async #removeWorkFiles(): Promise<void> {
    for (const path of this.#temporaryPaths) await rm(path, { force: true });
  }

  #append(text: Latin1): void {
    this.#write(Buffer.from(text, 'latin1'));
  }

  #write(bytes: Uint8Array): void {
    onDisk(archivePlace, this.#manifestPath, () => writeAllSync(this.#manifestFd, bytes));
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#manifestFd);
    this.#checkpoint?.close();
    this.#accessPoints.close();
  }
}

/** Removes what the local archive has of a set that was not finished; the manifest, which makes it one, first. */
export async function removePartialFiles(
  archive: LocalArchive,
  { partialManifest, partialSignatures }: Pick<SetNames, 'partialManifest' | 'partialSignatures'>,
): Promise<void> {
  for (const name of [partialManifest, partialSignatures, checkpointName]) await archive.remove(name);
}

/** Has the disk hold all that was written to a file, by whomever. */
async function syncFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw diskError(error, archivePlace, path, 'cannot be written');
  }
}
