import { closeSync, createReadStream, fsyncSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { archivePlace, onDisk, writeAllSync } from '../base/local-disk.js';
import type { Latin1 } from '../base/path-key.js';
import {
  formatFileListHeader,
  formatManifestHeader,
  formatVolumeRecord,
  type VolumeRecord,
} from '../format/manifest.js';
import { formatRemoteName, type NamePrefixes, type SetTimes } from '../format/names.js';
import type { LocalArchive } from './archive.js';

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

/**
 * The local files of a set in the making. Until the first volume is sealed they have temporary names; then they get the
 * names of a partial set, as duplicity expects to find them after an interruption; `finish` makes them final.
 */
export class SetWriter {
  readonly names: SetNames;
  readonly #archive: LocalArchive;
  readonly #manifestFd: number;
  #manifestPath: string;
  /** Where the plain signatures are being written. */
  signaturePath: string;
  /** Where the lines of the file list gather. */
  readonly fileListPath: string;
  #isPartial = false;
  #isOpen = true;

  constructor(
    archive: LocalArchive,
    names: SetNames,
    header: { hostname: string | undefined; localDir: Latin1 | undefined },
  ) {
    this.names = names;
    this.#archive = archive;
    this.#manifestPath = archive.newTemporaryPath();
    this.signaturePath = archive.newTemporaryPath();
    this.fileListPath = archive.newTemporaryPath();
    this.#manifestFd = onDisk(archivePlace, this.#manifestPath, () =>
      openSync(this.#manifestPath, 'wx', 0o600),
    );
    this.#append(formatManifestHeader(header));
  }

  /** Records a sealed volume; it is on the disk when this returns. */
  async addVolume(volume: VolumeRecord): Promise<void> {
    this.#append(formatVolumeRecord(volume));
    fsyncSync(this.#manifestFd);
    if (this.#isPartial) return;
    await this.#archive.keepAs(this.signaturePath, this.names.partialSignatures);
    this.signaturePath = this.#archive.pathOf(this.names.partialSignatures);
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
    await this.#removeWorkFiles();
  }

  /** Ends without a finished set. What a later run can go on from stays; without a volume, that is nothing. */
  async abandon(): Promise<void> {
    this.#close();
    if (this.#isPartial) await rm(this.fileListPath, { force: true });
    else await this.#removeWorkFiles();
  }

  async #removeWorkFiles(): Promise<void> {
    for (const path of [this.#manifestPath, this.signaturePath, this.fileListPath])
      await rm(path, { force: true });
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
  }
}
