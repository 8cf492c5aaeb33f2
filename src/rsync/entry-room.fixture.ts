import type { EntryRoom } from './old-entries.js';

/** Where all entries are held. */
export const heldEntries: EntryRoom = {
  makeFile() {
    throw new Error('so few blocks need no file');
  },
};

/** Where only some are, and the others in memory that stands for a file; `open` counts files that are not discarded. */
export function someEntries(mostHeldBlocks: number): EntryRoom & { open: number; made: number } {
  const room = {
    mostHeldBlocks,
    open: 0,
    made: 0,
    makeFile() {
      const pieces: Buffer[] = [];
      let whole: Buffer | undefined;
      room.open++;
      room.made++;
      return {
        write: (bytes: Uint8Array) => {
          if (whole !== undefined) throw new Error('written after it was read');
          pieces.push(Buffer.from(bytes));
        },
        read: (position: number, length: number) => {
          whole ??= Buffer.concat(pieces);
          if (position < 0 || position + length > whole.length) throw new RangeError('no such entries');
          return whole.subarray(position, position + length);
        },
        discard: () => {
          room.open--;
        },
      };
    },
  };
  return room;
}
