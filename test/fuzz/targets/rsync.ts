import { DeltaBuilder } from '../../../src/rsync/delta-builder.js';
import { heldEntries, someEntries } from '../../../src/rsync/entry-room.fixture.js';
import { type Kernel, loadKernel } from '../../../src/rsync/kernel.js';
import { applyDelta, Patcher } from '../../../src/rsync/patcher.js';
import { SignatureBuilder } from '../../../src/rsync/signature-builder.js';
import { about, type FuzzTarget, inPieces } from '../target.js';

let loaded: Kernel | undefined;
const kernel = (): Kernel => {
  loaded ??= loadKernel();
  return loaded;
};

const oldFile = Buffer.from(Array.from({ length: 6000 }, (_, i) => (i * i) >> 5));
const newFile = Buffer.concat([
  oldFile.subarray(3000),
  Buffer.from('something new'),
  oldFile.subarray(0, 2500),
]);

/** A delta: applied to a file that is there. */
export const delta: FuzzTarget = {
  samples: () => [
    deltaOf(signatureOf(oldFile, 512), newFile),
    deltaOf(signatureOf(oldFile, 16), newFile),
    deltaOf(signatureOf(Buffer.alloc(0), 512), newFile),
    // A command of each size.
    Buffer.from(
      '7273023641004103616263420003616263430000000361626344000000000000000361626345000147ffff4a000000010010500000000000000001000000000000000000',
      'hex',
    ),
  ],
  words: [
    'rs\x026',
    '\x45\x00\xff',
    '\x54\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0',
    '\x44\0\x1f\xff\xff\xff\xff\xff\xff',
  ],
  async run(bytes, random) {
    if (random.oneIn(4)) return about(applyDelta(oldFile, bytes, 1 << 16).length);
    let writtenBytes = 0;
    const read = (position: number, length: number) => oldFile.subarray(position, position + length);
    const patcher = new Patcher({ read }, (piece) => {
      writtenBytes += piece.length;
    });
    for await (const piece of inPieces(bytes, random)) patcher.update(piece);
    patcher.finish();
    return about(writtenBytes);
  },
};

/** A signature: searched for in a new file, and the delta that comes of it applied. */
export const signature: FuzzTarget = {
  samples: () => {
    const samples = [512, 16, 1, 2048].map((blockBytes) => signatureOf(oldFile, blockBytes));
    const kinds = [0x37, 0x46, 0x47].map((kind) => {
      const other = Buffer.from(samples[0]!);
      other[3] = kind;
      return other;
    });
    return [...samples, ...kinds, signatureOf(Buffer.alloc(0), 512)];
  },
  words: [
    'rs\x016',
    'rs\x017',
    'rs\x01F',
    'rs\x01G',
    '\0\0\0\x08',
    '\0\0\0\x10',
    '\0\0\0\x20',
    '\xff\xff\xff\xff',
  ],
  async run(bytes, random) {
    const builder = new DeltaBuilder(kernel(), random.oneIn(2) ? someEntries(8) : heldEntries);
    builder.begin();
    const pieces: Buffer[] = [];
    try {
      for await (const piece of inPieces(bytes, random)) builder.addSignature(piece);
      for await (const piece of inPieces(newFile, random)) pieces.push(Buffer.from(builder.update(piece)));
      pieces.push(Buffer.from(builder.finish()));
    } finally {
      builder.release();
    }
    // A wrong signature finds wrong blocks, and past the end of the file: the delta is one all the same.
    let writtenBytes = 0;
    const read = (_position: number, length: number) => new Uint8Array(length);
    const patcher = new Patcher({ read }, (piece) => {
      writtenBytes += piece.length;
    });
    patcher.update(Buffer.concat(pieces));
    patcher.finish();
    return about(writtenBytes);
  },
};

function signatureOf(file: Buffer, blockBytes: number): Buffer {
  const builder = new SignatureBuilder(kernel(), blockBytes);
  builder.update(file);
  return Buffer.from(builder.finish());
}

function deltaOf(signature: Buffer, file: Buffer): Buffer {
  const builder = new DeltaBuilder(kernel(), heldEntries);
  builder.begin();
  builder.addSignature(signature);
  return Buffer.concat([Buffer.from(builder.update(file)), Buffer.from(builder.finish())]);
}
