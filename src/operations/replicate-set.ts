import { createHash } from 'node:crypto';
import { TundraError } from '../base/errors.js';
import { temporaryPlace } from '../base/local-disk.js';
import { withHashes } from '../format/manifest-hashes.js';
import type { Cipher } from '../seal/cipher.js';
import type { VolumeSource } from '../volume/fetcher.js';
import {
  type Replica,
  type ReplicaVolume,
  type Sides,
  sealingOf,
  watched,
  withSealedFile,
} from './replicate-plan.js';
import { sealToFile } from './seal-file.js';
import { newTempPath, type Session, tell } from './session.js';
import { storeFile, UploadQueue, uploadFile } from './uploads.js';

/** What was sent of a set. */
export interface SentFiles {
  files: number;
  sizeBytes: number;
}

/**
 * Copies a set: signatures, volumes, and last the manifest, which makes it count.
 *
 * Files that the target is to have sealed as the source has them are copied byte by byte. To open and seal them anew, as
 * the peer does, would take the processor and not the storages for the bound, and give every volume another hash and
 * every run another file: what an interrupted run has sent could not be used, and nobody could compare the two storages.
 *
 * @param volumes brings the volumes that the target lacks
 * @param uploads how many to send at once
 */
export async function copySet(
  sides: Sides,
  replica: Replica,
  volumes: VolumeSource,
  uploads: number,
): Promise<SentFiles> {
  const { target } = sides;
  const sent: SentFiles = { files: 0, sizeBytes: 0 };
  const count = (sizeBytes: number) => {
    sent.files++;
    sent.sizeBytes += sizeBytes;
  };
  if (replica.leftovers.length > 0) await target.backend.remove(replica.leftovers);
  const { signaturesName } = replica.from;
  if (signaturesName !== undefined) count(await copySignatures(sides, replica, signaturesName));
  const queue = new UploadQueue(uploads);
  const newHashes = new Map<number, string>();
  try {
    for (const volume of replica.volumes) await copyVolume(sides, volume, volumes, queue, newHashes, count);
    await queue.drain();
  } catch (error) {
    await queue.settle();
    throw error;
  }
  count(await copyManifest(sides, replica, newHashes));
  return sent;
}

async function copyVolume(
  { source, target }: Sides,
  volume: ReplicaVolume,
  volumes: VolumeSource,
  queue: UploadQueue,
  newHashes: Map<number, string>,
  count: (sizeBytes: number) => void,
): Promise<void> {
  const { name, number, targetName } = volume;
  tellCopied(source, name);
  const { path, checked } = await volumes.take(volume);
  if (volume.asItIs) {
    // Without a hash only the seal tells whether it is whole.
    if (volume.hash === undefined && checked === undefined) await readThrough(source, path, name);
    return queue.add(async () => {
      count(await storeFile(target.backend, targetName, path));
      await volumes.release(volume);
    });
  }
  const sealedPath = newTempPath(target, `vol${number}`);
  const digest = createHash('sha1');
  const cipher = watchedCipher(target.cipher, (piece) => digest.update(piece));
  const { bytes } = await source.opener.open(path, volume, name, checked);
  await sealToFile(cipher, bytes, sealedPath, temporaryPlace);
  await volumes.release(volume);
  newHashes.set(number, digest.digest('hex'));
  return queue.add(async () => count(await uploadFile(target.backend, targetName, sealedPath)));
}

function copySignatures({ source, target }: Sides, { to, isKept }: Replica, name: string): Promise<number> {
  tellCopied(source, name);
  return withSealedFile(source, name, async (path) => {
    const sealing = sealingOf(source, name);
    if (isKept(sealing, target.cipher)) {
      // No manifest has their hash.
      await readThrough(source, path, name);
      return storeFile(target.backend, to.signatures, path);
    }
    const sealedPath = newTempPath(target, 'signatures');
    const { bytes } = await source.opener.open(path, sealing, name);
    await sealToFile(target.cipher, bytes, sealedPath, temporaryPlace);
    return uploadFile(target.backend, to.signatures, sealedPath);
  });
}

function copyManifest(
  { source, target }: Sides,
  { from, to, manifestDigest, isKept }: Replica,
  newHashes: ReadonlyMap<number, string>,
): Promise<number> {
  const name = from.manifestName;
  tellCopied(source, name);
  return withSealedFile(source, name, async (path) => {
    const sealing = sealingOf(source, name);
    const digest = createHash('sha256');
    const plain = watched((await source.opener.open(path, sealing, name)).bytes, (piece) =>
      digest.update(piece),
    );
    const requireSame = () => {
      if (digest.digest('hex') === manifestDigest) return;
      throw new TundraError('generic', `${name} has changed while its set was being copied`, {
        retry: 'later',
      });
    };
    if (newHashes.size === 0 && isKept(sealing, target.manifestCipher)) {
      for await (const _ of plain);
      requireSame();
      return storeFile(target.backend, to.manifest, path);
    }
    const sealedPath = newTempPath(target, 'manifest');
    await sealToFile(target.manifestCipher, withHashes(plain, newHashes), sealedPath, temporaryPlace);
    requireSame();
    return uploadFile(target.backend, to.manifest, sealedPath);
  });
}

function tellCopied(source: Session, name: string): void {
  tell(source, 'notice', `Replicating ${name}.`);
}

/** Opens a file for nothing but its integrity, as far as its sealing tells of that. */
async function readThrough({ opener, prefixes }: Session, path: string, name: string): Promise<void> {
  const sealing = sealingOf({ prefixes }, name);
  if ((await opener.check(path, sealing, name)) !== undefined) return;
  for await (const _ of (await opener.open(path, sealing, name)).bytes);
}

/** A cipher of which all that it gives is seen. */
function watchedCipher(cipher: Cipher, onPiece: (piece: Uint8Array) => void): Cipher {
  const { encrypted, compressed } = cipher;
  return {
    encrypted,
    compressed,
    seal: (output) =>
      cipher.seal((piece) => {
        onPiece(piece);
        return output(piece);
      }),
  };
}
