/** The blocking sides of a slot ring and of a channel, in a thread of their own, as they run in a backup and a restore. */
import { createHash } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { messageOf, TundraError } from '../base/errors.js';
import { type Channel, receive } from './channel.js';
import { type SlotRing, SlotWriter } from './slots.js';

export type ThreadInput =
  /** Fills each slot with its turn, and tells the index. */
  | { kind: 'fill'; ring: SlotRing; turns: number }
  /** Reads a channel, at most so many pieces of it, and tells what it held. */
  | { kind: 'receive'; channel: Channel; pieces: number };

export type ThreadMessage =
  | { kind: 'filled'; index: number; turn: number }
  | { kind: 'free' }
  | { kind: 'received'; sizeBytes: number; sha1Hex: string; longestBytes: number }
  | { kind: 'failed'; message: string; code: string | undefined };

/** Starts the thread. It ends by itself; `ended` rejects if it broke down. */
export function startThread(
  input: ThreadInput,
  onMessage: (message: ThreadMessage) => void,
): { ended: Promise<void>; stop(): Promise<number> } {
  const worker = new Worker(new URL(import.meta.url), { workerData: input });
  worker.on('message', onMessage);
  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
  return { ended, stop: () => worker.terminate() };
}

function fill(
  { ring, turns }: Extract<ThreadInput, { kind: 'fill' }>,
  tell: (message: ThreadMessage) => void,
): void {
  const writer = new SlotWriter(ring);
  for (let turn = 0; turn < turns; turn++) {
    const { index, bytes } = writer.take();
    bytes.fill(turn);
    tell({ kind: 'filled', index, turn });
  }
}

async function readChannel(
  { channel, pieces }: Extract<ThreadInput, { kind: 'receive' }>,
  tell: (message: ThreadMessage) => void,
): Promise<void> {
  const hash = createHash('sha1');
  let sizeBytes = 0;
  let longestBytes = 0;
  let left = pieces;
  try {
    for await (const piece of receive(channel, () => tell({ kind: 'free' }))) {
      hash.update(piece);
      sizeBytes += piece.length;
      longestBytes = Math.max(longestBytes, piece.length);
      if (--left === 0) break;
    }
    tell({ kind: 'received', sizeBytes, sha1Hex: hash.digest('hex'), longestBytes });
  } catch (error) {
    tell({
      kind: 'failed',
      message: messageOf(error),
      code: error instanceof TundraError ? error.code : undefined,
    });
  }
}

const port = parentPort;
if (!isMainThread && port !== null) {
  const input = workerData as ThreadInput;
  const tell = (message: ThreadMessage) => port.postMessage(message);
  if (input.kind === 'fill') fill(input, tell);
  else await readChannel(input, tell);
}
