import type { ByteStream } from '../../base/bytes.js';
import { errnoOf, messageOf, TundraError } from '../../base/errors.js';
import { type ByteReader, PieceReader, piecesOf } from '../byte-reader.js';
import type { Unpacking } from '../unpacking.js';
import { compression } from './algorithms.js';
import { type Packet, PacketReader, readByte, tags } from './packets.js';

/** Packets inside packets inside packets: honest messages have two layers. */
const MOST_LAYERS = 8;
const PIECE_BYTES = 128 * 1024;

/** What the decrypted packets turn out to hold: a file, maybe with a signature, or what only the gpg program reads. */
export type ContentKind = 'file' | 'signed file' | 'BZIP2 compression';

interface Content {
  kind: ContentKind;
  /** The reader of the layer that has the file, and the packet with the file. */
  layer: PacketReader;
  file: Packet | undefined;
  /** Reads the packets to their end, whatever stands behind the file: what checks them is there. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Looks as far into decrypted packets as it takes. Their first bytes are enough. Errors: TundraError `format`. */
export async function contentKind(pieces: ByteStream, unpacking: Unpacking): Promise<ContentKind> {
  const content = await openContent(pieces, unpacking);
  await content.close();
  return content.kind;
}

/**
 * The file inside decrypted packets, in large pieces. Signatures are passed over.
 * Errors: TundraError `format`, or what `pieces` throws.
 */
export async function* contentBytes(pieces: ByteStream, unpacking: Unpacking): ByteStream {
  const { file, layer, drain, close } = await openContent(pieces, unpacking);
  try {
    if (file === undefined) throw new TundraError('format', 'it holds no file that can be read');
    yield* piecesOf(file.body, unpacking.pieceBytes, unpacking.leastBytes);
    for (let rest = await layer.next(); rest !== undefined; rest = await layer.next()) {
      if (rest.tag === tags.integrityCode)
        throw new TundraError('format', 'its integrity check was taken away');
      if (!mayAccompany(rest.tag))
        throw new TundraError('format', `it holds a stray packet, tag ${rest.tag}`);
    }
    await drain();
  } catch (error) {
    throw namedDamage(error);
  } finally {
    await close();
  }
}

async function openContent(pieces: ByteStream, unpacking: Unpacking): Promise<Content> {
  const outermost = new PieceReader(pieces);
  const readers = [outermost];
  const drain = async () => {
    while ((await outermost.next()) !== undefined);
  };
  const close = async () => {
    for (const reader of readers.toReversed()) await reader.close();
  };
  try {
    for (let depth = 0; depth < MOST_LAYERS; depth++) {
      const layer = new PacketReader(readers.at(-1)!);
      const { packet, isSigned } = await findContent(layer);
      if (packet.tag === tags.literal) {
        await skipLiteralHead(packet.body);
        return { kind: isSigned ? 'signed file' : 'file', layer, file: packet, drain, close };
      }
      const inside = await decompressed(packet.body, unpacking);
      if (inside === undefined) return { kind: 'BZIP2 compression', layer, file: undefined, drain, close };
      readers.push(new PieceReader(inside));
    }
    throw new TundraError('format', `it has more than ${MOST_LAYERS} layers`);
  } catch (error) {
    await close();
    throw namedDamage(error);
  }
}

/** Goes on to the packet with the file, or with the next layer. */
async function findContent(layer: PacketReader): Promise<{ packet: Packet; isSigned: boolean }> {
  let isSigned = false;
  for (;;) {
    const packet = await layer.next();
    if (packet === undefined) throw new TundraError('format', 'it holds no file');
    if (packet.tag === tags.literal || packet.tag === tags.compressed) return { packet, isSigned };
    if (packet.tag === tags.onePassSignature || packet.tag === tags.signature) isSigned = true;
    else if (!mayAccompany(packet.tag)) {
      throw new TundraError('format', `it holds a stray packet, tag ${packet.tag}`);
    }
  }
}

function mayAccompany(tag: number): boolean {
  return tag === tags.signature || tag === tags.marker || tag === tags.padding;
}

/** The packets inside a compressed packet; undefined where the library has not the method. */
async function decompressed(body: ByteReader, { inflate }: Unpacking): Promise<ByteStream | undefined> {
  const method = await readByte(body);
  if (method === compression.none) return piecesOf(body, PIECE_BYTES);
  if (method === compression.zip) return inflate(body, 'raw');
  if (method === compression.zlib) return inflate(body, 'zlib');
  if (method === compression.bzip2) return undefined;
  throw new TundraError('format', `it has an unknown compression, number ${method}`);
}

/** Kind of data (1 byte), length of the name (1) and the name, time (4). */
async function skipLiteralHead(body: ByteReader): Promise<void> {
  await readByte(body);
  const nameBytes = (await readByte(body)) ?? 0;
  const rest = new Uint8Array(nameBytes + 4);
  if ((await body.read(rest)) < rest.length) throw new TundraError('format', 'it is cut short');
}

/** Damage that zlib found is damage of the message. */
export function namedDamage(error: unknown): unknown {
  if (!errnoOf(error)?.startsWith('Z_')) return error;
  return new TundraError('format', `its compressed data is damaged: ${messageOf(error)}`, { cause: error });
}
