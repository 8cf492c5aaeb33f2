import type { ByteStream } from '../base/bytes.js';
import { plainError, TundraError } from '../base/errors.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import type { Opener } from '../seal/cipher.js';
import { type Channel, ChannelSender, createChannel } from '../volume/channel.js';
import type { VolumeSource } from '../volume/fetcher.js';
import type { VolumeAnswer } from './restore-thread.js';

interface OpenVolume {
  volume: PlannedVolume;
  sender: ChannelSender;
  sent: Promise<void>;
}

/**
 * Open volumes share this much memory with the restoring thread in all, as long as that leaves each a few small slots.
 * Where there is much, unpacking goes on while many small files are made, and large ones find it done.
 */
const channelBudgetBytes = 32 * 1024 * 1024;
const largestChannelBytes = 16 * 1024 * 1024;
/** With so many sets the unpacking itself takes much memory. */
const manySets = 16;
const manySetsBudgetBytes = 8 * 1024 * 1024;
const fewestSlots = 4;
const largestSlotBytes = 256 * 1024;
const smallestSlotBytes = 16 * 1024;

/** Fetches, opens and unpacks volumes in this thread for the one that merges them. */
export class VolumeServer {
  readonly #fetcher: VolumeSource;
  readonly #opener: Opener;
  readonly #requiredSigner: string | undefined;
  readonly #onUnreadable: (error: unknown) => void;
  readonly #slotBytes: number;
  readonly #slotCount: number;
  readonly #open = new Map<string, OpenVolume>();
  readonly #opening = new Set<Promise<unknown>>();
  #closed = false;

  /**
   * @param sets how many sets the merge reads at once
   * @param requiredSigner key that must have signed each volume
   * @param onUnreadable is told why a volume cannot be used; if it returns, the volume is left out
   */
  constructor(
    fetcher: VolumeSource,
    opener: Opener,
    sets: number,
    requiredSigner: string | undefined,
    onUnreadable: (error: unknown) => void,
  ) {
    this.#fetcher = fetcher;
    this.#opener = opener;
    this.#requiredSigner = requiredSigner;
    this.#onUnreadable = onUnreadable;
    const budgetBytes = sets < manySets ? channelBudgetBytes : manySetsBudgetBytes;
    const channelBytes = Math.min(largestChannelBytes, budgetBytes / sets);
    const share = Math.floor(channelBytes / fewestSlots / 1024) * 1024;
    this.#slotBytes = Math.min(largestSlotBytes, Math.max(smallestSlotBytes, share));
    this.#slotCount = Math.max(fewestSlots, Math.floor(channelBytes / this.#slotBytes));
  }

  /** Opens a volume; the answer tells where its bytes come, or why they cannot. */
  async open(set: number, volume: PlannedVolume): Promise<VolumeAnswer> {
    const opening = this.#send(set, volume);
    this.#opening.add(opening);
    try {
      return { set, volume: volume.number, ...(await opening) };
    } catch (error) {
      return { set, volume: volume.number, error: plainError(error) };
    } finally {
      this.#opening.delete(opening);
    }
  }

  /** Begins to send a volume. */
  async #send(set: number, volume: PlannedVolume): Promise<{ channel: Channel } | { isLeftOut: true }> {
    const bytes = await this.#readable(volume);
    if (bytes === undefined) {
      await this.#fetcher.release(volume);
      return { isLeftOut: true };
    }
    const channel = createChannel(this.#slotBytes, this.#slotCount);
    const sender = new ChannelSender(channel);
    // What was opened is freed by sending it, also where nobody wants it any more.
    if (this.#closed) sender.stop();
    this.#open.set(idOf(set, volume.number), { volume, sender, sent: sender.send(bytes) });
    return { channel };
  }

  async #readable(volume: PlannedVolume): Promise<ByteStream | undefined> {
    const { name, encrypted } = volume;
    try {
      const { path, isChecked } = await this.#fetcher.take(volume);
      const { bytes, signedBy } = await this.#opener.open(path, volume, name, isChecked);
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

  slotFreed(set: number, volume: number): void {
    this.#open.get(idOf(set, volume))?.sender.slotFreed();
  }

  /** The volume has been read as far as it is wanted. */
  async release(set: number, volume: number): Promise<void> {
    const open = this.#open.get(idOf(set, volume));
    this.#open.delete(idOf(set, volume));
    if (open !== undefined) await this.#end(open);
  }

  /** Frees all volumes, also those that are just being opened. Nothing may be asked for any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#opening);
    await Promise.all([...this.#open.values()].map((open) => this.#end(open)));
    this.#open.clear();
  }

  async #end({ sender, sent, volume }: OpenVolume): Promise<void> {
    sender.stop();
    await sent;
    await this.#fetcher.release(volume);
  }
}

function idOf(set: number, volume: number): string {
  return `${set}.${volume}`;
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
