/** The worker thread of VolumeFiles. */
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { type PlainError, plainError } from '../base/errors.js';
import { onDisk, temporaryPlace, writeAllSync } from '../base/local-disk.js';

export type WriteRequest =
  | { id: number; kind: 'open'; fd: number; path: string }
  | { id: number; kind: 'piece'; piece: Uint8Array<ArrayBuffer> }
  | { id: number; kind: 'end' };

export type WriteReply =
  | { id: number; kind: 'written'; piece: Uint8Array<ArrayBuffer> }
  | { id: number; kind: 'end'; sha1Hex: string }
  | { id: number; kind: 'error'; error: PlainError };

const port = parentPort!;
const files = new Map<number, { fd: number; path: string; hash: Hash }>();

port.on('message', (request: WriteRequest) => {
  const { id } = request;
  const reply = (message: WriteReply) => port.postMessage(message);
  if (request.kind === 'open') {
    files.set(id, { fd: request.fd, path: request.path, hash: createHash('sha1') });
    return;
  }
  // After an error the rest is for nobody.
  const file = files.get(id);
  if (file === undefined) return;
  if (request.kind === 'end') {
    files.delete(id);
    reply({ id, kind: 'end', sha1Hex: file.hash.digest('hex') });
    return;
  }
  const { piece } = request;
  try {
    file.hash.update(piece);
    onDisk(temporaryPlace, file.path, () => writeAllSync(file.fd, piece));
    port.postMessage({ id, kind: 'written', piece } satisfies WriteReply, [piece.buffer]);
  } catch (error) {
    files.delete(id);
    reply({ id, kind: 'error', error: plainError(error) });
  }
});
