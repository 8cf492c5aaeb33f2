import { copiesBeyond, type DeltaTarget, type PatchBase } from '../rsync/patcher.js';
import { Scratch } from './scratch.js';

/** A version of a file that can be read anywhere. */
export interface ReadableVersion extends PatchBase {
  readonly sizeBytes: number;
  /** How many versions reading goes through. */
  readonly depth: number;
  /** Memory it takes, with those below it. */
  readonly heldBytes: number;
  discard(): void;
}

/** A piece of a file takes two numbers: where it ends, and where it comes from. */
const segmentBytes = 16;
const firstSegments = 64;
/** What all versions of a file may hold together before one of them is written out. */
const mostHeldBytes = 16 * 1024 * 1024;
const mostDepth = 8;
const pieceBytes = 128 * 1024;

/**
 * A version of a file as its delta tells: pieces of the version before, and new bytes. It is not put together until a
 * later version asks for bytes of it, so that what was copied from version to version is read once, and written never.
 * Where that takes much memory, or many versions, it is written out after all, and those below it go.
 */
export class PatchedVersion implements ReadableVersion, DeltaTarget {
  readonly #makePath: () => string;
  #base: ReadableVersion | undefined;
  readonly #literals: Scratch;
  /** Once it is written out: all of it. */
  #whole: Scratch | undefined;
  /** Ends of the pieces, ascending. */
  #ends = new Float64Array(firstSegments);
  /** Where each begins in the version before; below zero, -1 less its place among the new bytes. */
  #froms = new Float64Array(firstSegments);
  #count = 0;
  /** The piece that was read last: mostly the next one comes next. */
  #last = 0;
  sizeBytes = 0;

  /** @param base is discarded with this, or when this is written out */
  constructor(base: ReadableVersion, makePath: () => string) {
    this.#base = base;
    this.#makePath = makePath;
    this.#literals = new Scratch(makePath);
  }

  get depth(): number {
    return this.#base === undefined ? 1 : this.#base.depth + 1;
  }

  get heldBytes(): number {
    if (this.#base === undefined) return this.#whole?.heldBytes ?? 0;
    return this.#base.heldBytes + this.#literals.heldBytes + segmentBytes * this.#ends.length;
  }

  literal(bytes: Uint8Array): void {
    if (this.#whole !== undefined) {
      this.#whole.write(bytes);
      this.sizeBytes += bytes.length;
      return;
    }
    const from = -1 - this.#literals.sizeBytes;
    this.#literals.write(bytes);
    this.#add(from, bytes.length);
  }

  copy(position: number, lengthBytes: number): void {
    const base = this.#base as ReadableVersion;
    if (position + lengthBytes > base.sizeBytes) throw copiesBeyond(Math.max(position, base.sizeBytes));
    if (this.#whole === undefined) {
      this.#add(position, lengthBytes);
      return;
    }
    copyBytes(base, position, lengthBytes, this.#whole);
    this.sizeBytes += lengthBytes;
  }

  /** The delta has come whole. */
  finish(): void {
    if (this.#whole === undefined && (this.heldBytes > mostHeldBytes || this.depth > mostDepth))
      this.#writeOut();
    if (this.#whole === undefined) return;
    this.#base?.discard();
    this.#base = undefined;
  }

  read(position: number, lengthBytes: number): Uint8Array {
    if (this.#whole !== undefined) return this.#whole.read(position, lengthBytes);
    if (position >= this.sizeBytes) return new Uint8Array(0);
    const segment = this.#segmentAt(position);
    const start = segment === 0 ? 0 : (this.#ends[segment - 1] as number);
    const from = this.#froms[segment] as number;
    const size = Math.min(lengthBytes, (this.#ends[segment] as number) - position);
    if (from < 0) return this.#literals.read(-1 - from + position - start, size);
    return (this.#base as ReadableVersion).read(from + position - start, size);
  }

  discard(): void {
    this.#base?.discard();
    this.#literals.discard();
    this.#whole?.discard();
  }

  #add(from: number, lengthBytes: number): void {
    const last = this.#count - 1;
    const begin = this.sizeBytes;
    this.sizeBytes += lengthBytes;
    if (last >= 0) {
      const lastFrom = this.#froms[last] as number;
      const lastBytes = begin - (last === 0 ? 0 : (this.#ends[last - 1] as number));
      const goesOn = from < 0 ? lastFrom < 0 : lastFrom >= 0 && from === lastFrom + lastBytes;
      if (goesOn) {
        this.#ends[last] = this.sizeBytes;
        return;
      }
    }
    if (this.#count === this.#ends.length) this.#grow();
    this.#ends[this.#count] = this.sizeBytes;
    this.#froms[this.#count] = from;
    this.#count++;
    // From here on the delta is carried out as it comes.
    if (segmentBytes * this.#count > mostHeldBytes) this.#writeOut();
  }

  #writeOut(): void {
    const whole = new Scratch(this.#makePath);
    copyBytes(this, 0, this.sizeBytes, whole);
    this.#whole = whole;
    this.#literals.discard();
    this.#ends = this.#froms = new Float64Array(0);
    this.#count = 0;
  }

  #grow(): void {
    const [ends, froms] = [this.#ends, this.#froms];
    this.#ends = new Float64Array(2 * this.#count);
    this.#froms = new Float64Array(2 * this.#count);
    this.#ends.set(ends);
    this.#froms.set(froms);
  }

  #segmentAt(position: number): number {
    const ends = this.#ends;
    for (const near of [this.#last, this.#last + 1]) {
      const start = near === 0 ? 0 : (ends[near - 1] as number);
      if (near < this.#count && position >= start && position < (ends[near] as number)) {
        this.#last = near;
        return near;
      }
    }
    let [low, high] = [0, this.#count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] as number) > position) high = middle;
      else low = middle + 1;
    }
    this.#last = low;
    return low;
  }
}

function copyBytes(from: PatchBase, position: number, lengthBytes: number, to: Scratch): void {
  for (let done = 0; done < lengthBytes; ) {
    const bytes = from.read(position + done, Math.min(pieceBytes, lengthBytes - done));
    to.write(bytes);
    done += bytes.length;
  }
}
