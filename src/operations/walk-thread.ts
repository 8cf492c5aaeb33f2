/** The walk of a backup, in a thread of its own that runs ahead of whoever deals with the entries. */
import type { MessagePort } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';
import { type PlainError, plainError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import type { Latin1 } from '../base/path-key.js';
import { type EntryBatch, EntryBatchWriter } from '../source/entry-batch.js';
import { nativeFolders } from '../source/native-folder.js';
import { Owners } from '../source/owners.js';
import { createSelection, type SelectionRule } from '../source/selection.js';
import { TreeWalk } from '../source/walk.js';
import { walkWarnings } from '../source/walk-warnings.js';
import { selectionRoot, walkEvent } from './source-events.js';
import { entriesPerBatch, WalkGate } from './walk-ahead.js';

/** The one message that the thread gets. */
export interface WalkThreadInput {
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  /** Where the batches go. */
  port: MessagePort;
  gate: SharedArrayBuffer;
}

export type WalkMessage =
  /** What was left out before these entries, of which `errors` count as errors. */
  | { kind: 'entries'; batch: EntryBatch; events: OperationEvent[]; errors: number }
  | { kind: 'end' }
  | { kind: 'failed'; error: PlainError };

function walkTree({ root, rules, followLinks, port, gate: gateBuffer }: WalkThreadInput): void {
  const gate = new WalkGate(gateBuffer);
  try {
    const owners = new Owners();
    let events: OperationEvent[] = [];
    let errors = 0;
    const tree = new TreeWalk(root, createSelection(rules, selectionRoot(root)), {
      followLinks,
      owners,
      onWarning: (kind, key, text) => {
        if (walkWarnings[kind].isError) errors++;
        events.push(walkEvent(kind, root, key, text));
      },
    });
    const gathered = new EntryBatchWriter(entriesPerBatch);
    const send = () => {
      gate.enter();
      const batch = gathered.take();
      port.postMessage({ kind: 'entries', batch, events, errors } satisfies WalkMessage, [
        batch.numbers.buffer as ArrayBuffer,
        batch.keyLengths.buffer as ArrayBuffer,
        batch.keyRests.buffer as ArrayBuffer,
      ]);
      gate.announce();
      events = [];
      errors = 0;
    };
    while (tree.next()) {
      gathered.add(tree);
      if (gathered.isFull || events.length >= entriesPerBatch) send();
    }
    send();
    port.postMessage({ kind: 'end' } satisfies WalkMessage);
  } catch (error) {
    port.postMessage({ kind: 'failed', error: plainError(error) } satisfies WalkMessage);
  }
  gate.announce();
}

parentPort?.once('message', walkTree);
// What it needs is loaded before it is asked.
nativeFolders();
