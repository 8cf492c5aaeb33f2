/**
 * Applying a delta, as librsync lays it out: the magic, then commands. All numbers are big-endian.
 *
 * | command  | operands                        | meaning                                                     |
 * |----------|---------------------------------|-------------------------------------------------------------|
 * | 0        |                                 | end                                                         |
 * | 1 to 64  | that many bytes                 | new bytes                                                   |
 * | 65 to 68 | size; that many bytes           | new bytes; the size has 1, 2, 4, 8 bytes                    |
 * | 69 to 84 | position, size in the old file  | copy; 69 + 4 p + s, with operands of 2^p and 2^s bytes      |
 */
import { TundraError } from '../base/errors.js';

const DELTA_MAGIC = 0x72730236;
const MAGIC_BYTES = 4;
const OP_END = 0;
const OP_LITERAL = 65;
const OP_COPY = 69;
const OP_COPY_LAST = 84;
/** The old file is read in pieces of at most this size. */
const BASE_PIECE_BYTES = 128 << 10;

/** What takes the commands of a delta, in order. */
export interface DeltaTarget {
  /** New bytes; they are valid only during the call. */
  literal(bytes: Uint8Array): void;
  /** Bytes of the old file: more than none. */
  copy(position: number, lengthBytes: number): void;
}

/**
 * Reads a delta that comes in pieces. Every method throws TundraError `format` where the delta breaks its format, is cut
 * short or goes on after its end.
 */
export class DeltaParser {
  readonly #target: DeltaTarget;
  /** Operand bytes of the command that is being read, or the magic's. */
  readonly #operands = new Uint8Array(16);
  #operandBytes = 0;
  #wantedBytes = MAGIC_BYTES;
  /** The command whose operands are being read; -1 is the magic. */
  #command = -1;
  #literalBytes = 0;
  #ended = false;

  constructor(target: DeltaTarget) {
    this.#target = target;
  }

  /** The delta's next bytes. */
  update(deltaChunk: Uint8Array): void {
    let at = 0;
    while (at < deltaChunk.length) {
      if (this.#literalBytes > 0) {
        const size = Math.min(this.#literalBytes, deltaChunk.length - at);
        this.#target.literal(deltaChunk.subarray(at, at + size));
        this.#literalBytes -= size;
        at += size;
      } else if (this.#wantedBytes > 0) {
        this.#operands[this.#operandBytes++] = deltaChunk[at++]!;
        if (this.#operandBytes === this.#wantedBytes) this.#run();
      } else {
        this.#begin(deltaChunk[at++]!);
      }
    }
  }

  /** Says that the delta has come whole. */
  finish(): void {
    if (!this.#ended) throw new TundraError('format', 'a delta is cut short');
  }

  /** Takes a command byte. */
  #begin(command: number): void {
    if (this.#ended) throw new TundraError('format', 'a delta goes on after its end');
    if (command > OP_COPY_LAST) throw new TundraError('format', `a delta has the unknown command ${command}`);
    if (command === OP_END) {
      this.#ended = true;
    } else if (command < OP_LITERAL) {
      this.#literalBytes = command;
    } else {
      this.#command = command;
      this.#operandBytes = 0;
      this.#wantedBytes = firstOperandBytes(command) + secondOperandBytes(command);
    }
  }

  /** Carries out the command whose operands are there. */
  #run(): void {
    const view = new DataView(this.#operands.buffer);
    this.#wantedBytes = 0;
    if (this.#command === -1) {
      if (view.getUint32(0) !== DELTA_MAGIC) throw new TundraError('format', 'not a librsync delta');
      return;
    }
    const firstBytes = firstOperandBytes(this.#command);
    const first = readNumber(view, 0, firstBytes);
    if (this.#command < OP_COPY) {
      if (first === 0) throw new TundraError('format', 'a delta has a literal of 0 bytes');
      this.#literalBytes = first;
    } else {
      const lengthBytes = readNumber(view, firstBytes, secondOperandBytes(this.#command));
      if (lengthBytes === 0) throw new TundraError('format', 'a delta has a copy of 0 bytes');
      this.#target.copy(first, lengthBytes);
    }
  }
}

/** The old file. */
export interface PatchBase {
  /**
   * Bytes from `position`, at most `lengthBytes` and at least one; none means that the file ends there. They need to
   * stay valid only until the next call.
   */
  read(position: number, lengthBytes: number): Uint8Array;
}

/**
 * Turns an old file into the new one by a delta that comes in pieces. `write` gets the new file's bytes in order;
 * they are valid only during the call. Every method throws TundraError `format` where the delta breaks its format,
 * asks for bytes that the old file does not have, is cut short, goes on after its end, or makes more than
 * `limitBytes`.
 */
export class Patcher extends DeltaParser {
  constructor(base: PatchBase, write: (bytes: Uint8Array) => void, limitBytes = Number.POSITIVE_INFINITY) {
    let writtenBytes = 0;
    const put = (bytes: Uint8Array) => {
      writtenBytes += bytes.length;
      if (writtenBytes > limitBytes)
        throw new TundraError('format', `a delta makes more than ${limitBytes} bytes`);
      write(bytes);
    };
    super({
      literal: put,
      copy: (position, lengthBytes) => {
        for (let left = lengthBytes; left > 0; ) {
          const bytes = base.read(position, Math.min(left, BASE_PIECE_BYTES));
          if (bytes.length === 0) throw copiesBeyond(position);
          put(bytes);
          position += bytes.length;
          left -= bytes.length;
        }
      },
    });
  }
}

/** The error of a delta that asks for what the old file does not have. */
export function copiesBeyond(position: number): TundraError {
  return new TundraError('format', `a delta copies from ${position}, where the old file has no more bytes`);
}

/** Applies a whole delta to a file in memory. Throws like `Patcher`. */
export function applyDelta(base: Uint8Array, delta: Uint8Array, limitBytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  const read = (position: number, lengthBytes: number) => base.subarray(position, position + lengthBytes);
  const patcher = new Patcher({ read }, (bytes) => pieces.push(bytes), limitBytes);
  patcher.update(delta);
  patcher.finish();
  return Buffer.concat(pieces);
}

function firstOperandBytes(command: number): number {
  return 1 << (command < OP_COPY ? command - OP_LITERAL : (command - OP_COPY) >> 2);
}

function secondOperandBytes(command: number): number {
  return command < OP_COPY ? 0 : 1 << ((command - OP_COPY) & 3);
}

function readNumber(view: DataView, at: number, sizeBytes: number): number {
  if (sizeBytes === 1) return view.getUint8(at);
  if (sizeBytes === 2) return view.getUint16(at);
  if (sizeBytes === 4) return view.getUint32(at);
  const value = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw new TundraError('format', 'a delta has a number past 2^53');
  return value;
}
