import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { Secret } from '../../../src/base/secret.js';
import { SignatureStore } from '../../../src/chain/signature-store.js';
import { ManifestParser } from '../../../src/format/manifest.js';
import { TarReader } from '../../../src/format/tar/read.js';
import { gunzipFile } from '../../../src/seal/gzip.js';
import { AES256 } from '../../../src/seal/library/algorithms.js';
import {
  packet,
  protectedPacket,
  simpleKey,
  simplePassphrase,
} from '../../../src/seal/library/handmade-packets.js';
import { openMessage } from '../../../src/seal/library/message.js';
import { PassphraseKeys } from '../../../src/seal/library/s2k.js';
import { HttpClient } from '../../../src/storage/swift/http.js';
import { pageLimitBytes } from '../../../src/storage/swift/listing.js';
import { headerOf, tarOf } from '../../golden/tar-sample.js';
import { TrialFolder } from '../folder.js';
import { drain, type FuzzTarget } from '../target.js';

/*
 * Small inputs from which much comes: memory must not grow with it. An input says which, and how much: a byte for the
 * kind, and one for the size in steps of 4 MiB.
 */

const folder = new TrialFolder();
const stepBytes = 4 << 20;
const keys = new PassphraseKeys(new Secret('pw'));

/** Deflated steps of zeros; each can be followed by any other. */
let step: Buffer | undefined;
function deflated(steps: number, end: Uint8Array = new Uint8Array(0)): Buffer {
  step ??= deflateRawSync(Buffer.alloc(stepBytes), { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([...Array<Buffer>(steps).fill(step), deflateRawSync(end)]);
}

/** The lines of volumes whose paths begin with a folder. */
function* volumeLines(steps: number, folderName: string): Generator<Buffer> {
  let number = 0;
  for (let left = steps * stepBytes; left > 0; ) {
    let text = '';
    while (text.length < 65_536) {
      text += `Volume ${++number}:\nStartingPath ${folderName}${number}\nEndingPath ${folderName}b\n`;
    }
    left -= text.length;
    yield Buffer.from(text);
  }
}

/** What is repeated, as often as it takes for so many steps. */
function* repeated(text: string, steps: number): Generator<Buffer> {
  const piece = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)), 'latin1');
  for (let left = steps * stepBytes; left > 0; left -= piece.length) yield piece;
}

function message(inside: Buffer): Promise<number> {
  const sealed = protectedPacket(inside, simpleKey('pw'), 'parts');
  const path = folder.stored('message', Buffer.concat([simplePassphrase(AES256), sealed]));
  return openMessage(path, 'the message', keys).then((opened) =>
    'bytes' in opened ? drain(opened.bytes) : 0,
  );
}

const bombsByKind: readonly ((steps: number) => Promise<unknown>)[] = [
  // A compressed volume.
  (steps) => {
    const member = gzipSync(Buffer.alloc(stepBytes));
    const path = folder.stored('volume.gz', Buffer.concat(Array<Buffer>(steps).fill(member)));
    return drain(gunzipFile(path, 'the volume'));
  },
  // A message with a file of zeros, in one layer of compression, and in two.
  (steps) => {
    const literal = Buffer.concat([Buffer.of(0xaf, 0x62, 0, 0, 0, 0, 0), Buffer.alloc(1)]);
    return message(
      packet(
        8,
        Buffer.concat([
          Buffer.of(1),
          deflateRawSync(literal, { finishFlush: constants.Z_FULL_FLUSH }),
          deflated(steps),
        ]),
        'endless',
      ),
    );
  },
  (steps) => {
    const literal = deflateRawSync(Buffer.of(0xaf, 0x62, 0, 0, 0, 0, 0), {
      finishFlush: constants.Z_FULL_FLUSH,
    });
    const inner = Buffer.concat([Buffer.of(0xa3, 1), literal, deflated(steps)]);
    return message(packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(inner)]), 'endless'));
  },
  // A message of nothing but packets that say nothing.
  (steps) => message(Buffer.alloc(steps * (stepBytes >> 8), Buffer.of(0xd5, 0))),
  // A signature file with a signature of zeros.
  async (steps) => {
    const header = headerOf({ name: 'signature/a', sizeBytes: steps * stepBytes });
    const packed = Buffer.concat([
      gzipSync(tarOf([{ header, body: Buffer.alloc(0) }])),
      ...Array<Buffer>(steps).fill(gzipSync(Buffer.alloc(stepBytes))),
    ]);
    const store = new SignatureStore([folder.stored('a.sigtar.gz', packed)]);
    await store.next();
    const size = await drain(store.data());
    await store.close();
    return size;
  },
  // A tar of records that extend no header.
  async (steps) => {
    const record = tarOf([
      { header: headerOf({ name: 'x', uname: 'u'.repeat(900_000) }), body: Buffer.alloc(0) },
    ]).subarray(0, -512);
    const pieces = (async function* () {
      for (let left = steps * stepBytes; left > 0; left -= record.length) yield record;
    })();
    return (await new TarReader(pieces, 'the tar').next())?.name;
  },
  // A manifest of many volumes.
  async (steps) => manifestOf(volumeLines(steps, 'a')),
  // A manifest that is one line, one of long paths, and one of files.
  async (steps) => manifestOf(repeated('x', steps)),
  async (steps) => manifestOf(repeated(`Volume 1:\nStartingPath ${'a'.repeat(9000)}\nEndingPath b\n`, steps)),
  async (steps) => manifestOf(repeated('Filelist 1\n    new a\n', steps >> 4)),
  // Answers of a server.
  async (steps) => jsonOf(repeated('[],', steps)),
  async (steps) => jsonOf(repeated('{},', steps)),
  async (steps) => jsonOf(repeated('0.5,', steps)),
  async (steps) => jsonOf(repeated('[', steps)),
  async (steps) => jsonOf(repeated('"aaaaaaaaaaaaa",', steps)),
  // A manifest of volumes with paths through many folders.
  async (steps) => manifestOf(volumeLines(steps, 'folder/'.repeat(300))),
];

function manifestOf(pieces: Iterable<Buffer>): number {
  const parser = new ManifestParser({ onFile: () => {} });
  for (const piece of pieces) parser.update(piece);
  return parser.finish().volumes.length;
}

function* inList(items: Iterable<Buffer>): Generator<Buffer> {
  yield Buffer.from('[');
  yield* items;
  yield Buffer.from('0]');
}

/** Reads a list in JSON as a listing is read. */
async function jsonOf(items: Iterable<Buffer>): Promise<unknown> {
  // Whoever reads may leave early.
  const server = createServer((_request, response) => {
    pipeline(Readable.from(inList(items)), response).catch(() => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new HttpClient({ timeoutMs: 5000, env: {} });
  try {
    const answer = await client.send({ action: 'list', method: 'GET', origin, path: '/', headers: {} });
    return typeof (await answer.json(pageLimitBytes));
  } finally {
    await client.close();
    server.closeAllConnections();
    server.close();
  }
}

export const bombs: FuzzTarget = {
  samples: () => bombsByKind.flatMap((_, kind) => [Buffer.of(kind, 100), Buffer.of(kind, 3)]),
  mostBytes: 2,
  run: (bytes) => bombsByKind[(bytes[0] ?? 0) % bombsByKind.length]!(1 + (bytes[1] ?? 0)),
  close: () => folder.remove(),
};
