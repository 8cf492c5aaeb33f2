import type { ByteStream } from '../base/bytes.js';
import { plainError, TundraError } from '../base/errors.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import type { Opener } from '../seal/cipher.js';
import { ChannelSender, createChannel } from '../volume/channel.js';
import type { VolumeFetcher } from '../volume/fetcher.js';
import type { VolumeAnswer } from './restore-thread.js';

interface OpenVolume {
  volume: PlannedVolume;
  sender: ChannelSender;
  sent: Promise<void>;
}

/** Open volumes share this much memory with the restoring thread in all, as long as that leaves each two small slots. */
const channelBudgetBytes = 8 * 1024 * 1024;
const slotsPerChannel = 4;
const largestSlotBytes = 256 * 1024;
const smallestSlotBytes = 16 * 1024;

/** Fetches, opens and unpacks volumes in this thread for the one that merges them. */
export class VolumeServer {
  readonly #fetcher: VolumeFetcher;
  readonly #opener: Opener;
  readonly #requiredSigner: string | undefined;
  readonly #onUnreadable: (error: unknown) => void;
  readonly #slotBytes: number;
  readonly #open = new Map<string, OpenVolume>();

  /**
   * @param sets how many sets the merge reads at once
   * @param requiredSigner key that must have signed each volume
   * @param onUnreadable is told why a volume cannot be used; if it returns, the volume counts as empty
   */
  constructor(
    fetcher: VolumeFetcher,
    opener: Opener,
    sets: number,
    requiredSigner: string | undefined,
    onUnreadable: (error: unknown) => void,
  ) {
    this.#fetcher = fetcher;
    this.#opener = opener;
    this.#requiredSigner = requiredSigner;
    this.#onUnreadable = onUnreadable;
    const share = Math.floor(channelBudgetBytes / sets / slotsPerChannel / 1024) * 1024;
    this.#slotBytes = Math.min(largestSlotBytes, Math.max(smallestSlotBytes, share));
  }

  /** Opens a volume; the answer tells where its bytes come, or why they cannot. */
  async open(set: number, volume: PlannedVolume): Promise<VolumeAnswer> {
    const { number } = volume;
    try {
      const bytes = await this.#readable(volume);
      const channel = createChannel(this.#slotBytes, slotsPerChannel);
      const sender = new ChannelSender(channel);
      this.#open.set(idOf(set, number), { volume, sender, sent: sender.send(bytes) });
      return { set, volume: number, channel };
    } catch (error) {
      return { set, volume: number, error: plainError(error) };
    }
  }

  async #readable(volume: PlannedVolume): Promise<ByteStream> {
    const { name, encrypted } = volume;
    try {
      const { path, isChecked } = await this.#fetcher.take(volume);
      const { bytes, signedBy } = await this.#opener.open(path, volume, name, isChecked);
      if (encrypted && this.#requiredSigner !== undefined)
        requireSigner(name, this.#requiredSigner, signedBy);
      return bytes;
    } catch (error) {
      this.#onUnreadable(error);
      return emptyStream();
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

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((open) => this.#end(open)));
    this.#open.clear();
  }

  async #end({ sender, sent, volume }: OpenVolume): Promise<void> {
    sender.stop();
    await sent;
    await this.#fetcher.release(volume);
  }
}

async function* emptyStream(): ByteStream {}

function idOf(set: number, volume: number): string {
  return `${set}.${volume}`;
}

/** The shorter of the two ids decides how much of them is compared, as for the peer. */
function requireSigner(name: string, required: string, signedBy: string | undefined): void {
  const wanted = required.replace(/^0x/i, '').toUpperCase();
  const actual = signedBy?.toUpperCase() ?? 'None';
  const length = Math.min(wanted.length, actual.length);
  if (actual.slice(-length) === wanted.slice(-length)) return;
  throw new TundraError(
    'unsigned-volume',
    `${name}: Volume was signed by key ${actual.slice(-length)}, not ${wanted.slice(-length)}`,
    { advice: 'Restore without --sign-key only if you trust this volume for another reason.' },
  );
}
