import { rm } from 'node:fs/promises';
import { TundraError } from '../base/errors.js';
import type { FileNote } from '../base/file-stamp.js';
import type { SetWriter } from '../chain/set-writer.js';
import { deltaRevision } from '../rsync/delta-builder.js';
import type { SealedVolume } from '../volume/cutter.js';
import type { BackupOptions } from './backup.js';
import type { Session } from './session.js';
import { UploadQueue, uploadFile } from './uploads.js';

export type SenderOptions = Pick<BackupOptions, 'uploads' | 'failAfterVolume' | 'skippedVolume'>;

/** Records sealed volumes in the manifest and sends them while the next ones are made. */
export class VolumeSender {
  readonly #session: Session;
  readonly #set: SetWriter;
  readonly #queue: UploadQueue;
  readonly #options: SenderOptions;
  bytesSent = 0;
  /** Of the file of which the last piece was that was packed. */
  note: FileNote | undefined;

  constructor(session: Session, set: SetWriter, options: SenderOptions) {
    this.#session = session;
    this.#set = set;
    this.#options = options;
    this.#queue = new UploadQueue(options.uploads);
  }

  async add(volume: SealedVolume): Promise<void> {
    const { number, sizeBytes, sha1Hex, accessPoints, endPiece } = volume;
    const record = {
      number,
      startKey: volume.startKey,
      startBlock: volume.startPiece,
      endKey: volume.endKey,
      endBlock: endPiece,
      hashes: [{ algorithm: 'SHA1', hex: sha1Hex }],
    };
    const file =
      endPiece === undefined || this.note === undefined ? undefined : { ...this.note, deltaRevision };
    await this.#set.addVolume({ record, sizeBytes, sha1Hex, accessPoints, file });
    const { backend, events } = this.#session;
    const { failAfterVolume, skippedVolume } = this.#options;
    await this.#queue.add(async () => {
      const name = this.#set.names.volume(number);
      events({ kind: 'upload', phase: 'begin', name, sizeBytes });
      if (number === skippedVolume) await rm(volume.path);
      else {
        this.bytesSent += await uploadFile(backend, name, volume.path, (sizeBytes) =>
          events({ kind: 'sent', sizeBytes }),
        );
      }
      events({ kind: 'upload', phase: 'end', name, sizeBytes });
      events({ kind: 'volume', number, sizeBytes });
      if (number === failAfterVolume) {
        throw new TundraError('unexpected', `Stopped after volume ${number}, as --fail asks for.`);
      }
    });
  }

  drain(): Promise<void> {
    return this.#queue.drain();
  }

  settle(): Promise<void> {
    return this.#queue.settle();
  }
}
