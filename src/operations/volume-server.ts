import { stat } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { plainError, TundraError } from '../base/errors.js';
import { Gate } from '../base/gate.js';
import type { PathKey } from '../base/path-key.js';
import { accessPointBefore, type PlannedVolume } from '../chain/restore-plan.js';
import type { RestoreShare } from '../chain/restore-shares.js';
import type { Opener } from '../seal/cipher.js';
import { type ReadableFile, unpackedBeside } from '../seal/unpacked-here.js';
import { ChannelSender, createChannel } from '../volume/channel.js';
import type { VolumeSource } from '../volume/fetcher.js';
import { NappingVolumes } from './napping-volumes.js';
import type { VolumeAnswer, VolumeBytes, VolumePlace } from './restore-messages.js';

interface OpenVolume {
  volume: PlannedVolume;
  /** Undefined where the thread reads it by itself. */
  sending: { sender: ChannelSender; sent: Promise<void> } | undefined;
}

/**
 * Open volumes share this much memory with the restoring thread in all, as long as that leaves each a few small slots.
 * Where there is much, unpacking goes on while many small files are made, and large ones find it done.
 */
const channelBudgetBytes = 16 * 1024 * 1024;
const largestChannelBytes = 8 * 1024 * 1024;
/** With so many sets the unpacking itself takes much memory. */
const manySets = 16;
const manySetsBudgetBytes = 8 * 1024 * 1024;
const fewestSlots = 4;
const largestSlotBytes = 256 * 1024;
const smallestSlotBytes = 8 * 1024;
/** A smaller volume is unpacked by the restoring thread in less time than it takes to hand it over. */
const leastBesideBytes = 1024 * 1024;
/** The sets of a long chain ask for their first volumes together, and to open one takes memory for a moment. */
const openedAtOnce = 4;

/**
 * Fetches volumes for the threads that merge them. For a single one large volumes are opened and unpacked here, beside its
 * work; several keep the processors busy by themselves, and each opens what it can.
 */
export class VolumeServer {
  readonly #fetcher: VolumeSource;
  readonly #opener: Opener;
  readonly #requiredSigner: string | undefined;
  readonly #onUnreadable: (error: unknown) => void;
  readonly #shares: readonly RestoreShare[];
  readonly #wanted: PathKey;
  readonly #isForSeveral: boolean;
  readonly #slotBytes: number;
  readonly #slotCount: number;
  readonly #open = new Map<string, OpenVolume>();
  readonly #atOnce = new Gate(openedAtOnce);
  /** For volumes of many sets. */
  readonly #napping: NappingVolumes | undefined;
  readonly #opening = new Set<Promise<unknown>>();
  /** How many shares have not read a volume yet. */
  readonly #readersLeft = new Map<PlannedVolume, number>();
  #closed = false;

  /**
   * @param shares what reads volumes side by side
   * @param wanted only this path and what lies below it is read for
   * @param requiredSigner key that must have signed each volume
   * @param onUnreadable is told why a volume cannot be used; if it returns, the volume is left out
   */
  constructor(
    fetcher: VolumeSource,
    opener: Opener,
    shares: readonly RestoreShare[],
    wanted: PathKey,
    requiredSigner: string | undefined,
    onUnreadable: (error: unknown) => void,
  ) {
    this.#fetcher = fetcher;
    this.#opener = opener;
    this.#requiredSigner = requiredSigner;
    this.#onUnreadable = onUnreadable;
    this.#shares = shares;
    this.#wanted = wanted;
    this.#isForSeveral = shares.length > 1;
    const sets = shares.reduce((sum, share) => sum + share.sets.length, 0);
    for (const volume of shares.flatMap((share) => share.sets.flat()))
      this.#readersLeft.set(volume, (this.#readersLeft.get(volume) ?? 0) + 1);
    if (NappingVolumes.areWorthIt(sets) && !this.#isForSeveral)
      this.#napping = new NappingVolumes(unpackedBeside);
    const budgetBytes = sets < manySets ? channelBudgetBytes : manySetsBudgetBytes;
    const channelBytes = Math.min(largestChannelBytes, budgetBytes / sets);
    const share = Math.floor(channelBytes / fewestSlots / 1024) * 1024;
    this.#slotBytes = Math.min(largestSlotBytes, Math.max(smallestSlotBytes, share));
    this.#slotCount = Math.max(fewestSlots, Math.floor(channelBytes / this.#slotBytes));
  }

  /** Opens a volume; the answer tells where its bytes come, or why they cannot. */
  async open(place: VolumePlace, volume: PlannedVolume): Promise<VolumeAnswer> {
    const opening = this.#send(place, volume);
    this.#opening.add(opening);
    try {
      return { ...place, ...(await opening) };
    } catch (error) {
      return { ...place, error: plainError(error) };
    } finally {
      this.#opening.delete(opening);
    }
  }

  /** Begins to send a volume, unless the thread reads it by itself. */
  async #send(place: VolumePlace, volume: PlannedVolume): Promise<VolumeBytes | { isLeftOut: true }> {
    const bytes = await this.#openOrReadable(place, volume);
    if (bytes === undefined) {
      await this.#release(volume);
      return { isLeftOut: true };
    }
    if ('path' in bytes) {
      this.#open.set(idOf(place), { volume, sending: undefined });
      return { file: bytes };
    }
    const channel = createChannel(this.#slotBytes, this.#slotCount);
    const sender = new ChannelSender(channel);
    // What was opened is freed by sending it, also where nobody wants it any more.
    if (this.#closed) sender.stop();
    this.#open.set(idOf(place), { volume, sending: { sender, sent: sender.send(bytes) } });
    return { channel };
  }

  /** The opened bytes, or the file where the thread can open it; undefined for a volume that is left out. */
  async #openOrReadable(
    place: VolumePlace,
    volume: PlannedVolume,
  ): Promise<ByteStream | ReadableFile | undefined> {
    const { name, encrypted } = volume;
    try {
      const { path, checked } = await this.#fetcher.take(volume);
      const needsSigner = encrypted && this.#requiredSigner !== undefined;
      const accessPoint = accessPointBefore(volume, this.#lowestWanted(place))?.offset;
      const napping = this.#napping;
      // Who opens a file that is gone tells of it.
      const { size } = (await stat(path).catch(() => undefined)) ?? { size: 0 };
      const isSmall = size < leastBesideBytes;
      const isForThread = this.#isForSeveral || isSmall || accessPoint !== undefined;
      if ((isForThread || napping !== undefined) && !needsSigner) {
        const file = await this.#atOnce.run(() =>
          this.#opener.readable(path, volume, name, checked, accessPoint),
        );
        if (file !== undefined) return isForThread || !napping ? file : napping.stream(file);
      }
      const { bytes, signedBy } = await this.#atOnce.run(() =>
        this.#opener.open(path, volume, name, checked),
      );
      if (!encrypted || this.#requiredSigner === undefined) return bytes;
      const refusal = signerRefusal(name, this.#requiredSigner, signedBy);
      if (refusal === undefined) return bytes;
      await discard(bytes);
      throw refusal;
    } catch (error) {
      if (!this.#closed) this.#onUnreadable(error);
      return undefined;
    }
  }

  /** No path that the share wants is lower. */
  #lowestWanted({ share }: VolumePlace): PathKey {
    const after = this.#shares[share]?.range.after;
    return after === undefined || after < this.#wanted ? this.#wanted : `${after}\0`;
  }

  slotFreed(place: VolumePlace): void {
    this.#open.get(idOf(place))?.sending?.sender.slotFreed();
  }

  /** The volume has been read as far as it is wanted. */
  async release(place: VolumePlace): Promise<void> {
    const open = this.#open.get(idOf(place));
    this.#open.delete(idOf(place));
    if (open !== undefined) await this.#end(open);
  }

  /** Frees all volumes, also those that are just being opened. Nothing may be asked for any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#opening);
    await Promise.all([...this.#open.values()].map((open) => this.#end(open)));
    this.#open.clear();
  }

  async #end({ sending, volume }: OpenVolume): Promise<void> {
    sending?.sender.stop();
    await sending?.sent;
    await this.#release(volume);
  }

  /** Another share may still have to read it. */
  async #release(volume: PlannedVolume): Promise<void> {
    const left = (this.#readersLeft.get(volume) ?? 1) - 1;
    this.#readersLeft.set(volume, left);
    if (left === 0) await this.#fetcher.release(volume);
  }
}

function idOf({ share, set, volume }: VolumePlace): string {
  return `${share}.${set}.${volume}`;
}

/** Frees what an opened file holds. */
async function discard(bytes: ByteStream): Promise<void> {
  for await (const _ of bytes) break;
}

/** Why a volume's signer is not the one that is required. The shorter of the two ids decides how much of them is
 *  compared, as for the peer. */
function signerRefusal(
  name: string,
  required: string,
  signedBy: string | undefined,
): TundraError | undefined {
  const wanted = required.replace(/^0x/i, '').toUpperCase();
  const actual = signedBy?.toUpperCase() ?? 'None';
  const length = Math.min(wanted.length, actual.length);
  if (actual.slice(-length) === wanted.slice(-length)) return undefined;
  return new TundraError(
    'unsigned-volume',
    `${name}: Volume was signed by key ${actual.slice(-length)}, not ${wanted.slice(-length)}`,
    { advice: 'Restore without --sign-key only if you trust this volume for another reason.' },
  );
}
