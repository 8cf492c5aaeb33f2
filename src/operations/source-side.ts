import { MessageChannel } from 'node:worker_threads';
import { interrupted } from '../base/interruption.js';
import type { Latin1 } from '../base/path-key.js';
import type { RecordKinds } from '../format/tar/records.js';
import type { SelectionRule } from '../source/selection.js';
import type { BackupThreadInput, BackupThreadJob, BackupThreadMessage } from './backup-thread.js';
import { prepareWalk } from './prepare-walk.js';
import { startThread, type WaitingThread } from './thread.js';
import { WalkGate } from './walk-ahead.js';
import type { WalkThreadInput } from './walk-thread.js';

export interface SourceOptions {
  /** Source folder, canonical. */
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  recordKinds: RecordKinds;
  /** The thread for the first walk, where it was started early. */
  walkThread?: WaitingThread<WalkThreadInput> | undefined;
  /** Raised when the run is to end at once. */
  interruption?: AbortSignal | undefined;
}

/** The source side of a backup, in two threads: the walk, and what compares and packs. */
export interface SourceSide {
  /** Has the second thread compare what the walk finds with what is known, and pack what is new. To be called once. */
  begin(job: BackupThreadJob): AsyncIterable<BackupThreadMessage>;
  stop(): Promise<void>;
}

/** Source sides of one source, one after another: each can be used once. */
export interface SourceSides {
  root: Latin1;
  /** The next one. Whoever takes it stops it. */
  next(): SourceSide;
  /** Stops the one that was started and not taken. */
  stop(): Promise<void>;
}

/** Starts the first one at once: it need not wait for anything. */
export function startSourceSides(options: SourceOptions): SourceSides {
  let started: SourceSide | undefined = startSourceSide(options, options.walkThread ?? prepareWalk());
  return {
    root: options.root,
    next: () => {
      const side = started ?? startSourceSide(options, prepareWalk());
      started = undefined;
      return side;
    },
    stop: async () => void (await started?.stop()),
  };
}

const sourceThreadUrl = new URL('./backup-thread.js', import.meta.url);

/** Starts to walk. That only reads, and stops by itself where it gets too far ahead. */
function startSourceSide(
  { root, rules, followLinks, recordKinds, interruption }: SourceOptions,
  walkThread: WaitingThread<WalkThreadInput>,
): SourceSide {
  const { port1, port2 } = new MessageChannel();
  const gate = WalkGate.create();
  const walking = walkThread.begin({ root, rules, followLinks, port: port2, gate }, [port2]);
  const packing = startThread<BackupThreadInput, BackupThreadMessage, BackupThreadJob>(
    sourceThreadUrl,
    { root, followLinks, recordKinds, walk: { port: port1, gate } },
    [port1],
  );
  walking.ended.catch((error: Error) => packing.fail(error));
  const onInterruption = () => packing.fail(interrupted());
  interruption?.addEventListener('abort', onInterruption);
  return {
    begin: (job) => {
      packing.send(job);
      return packing.messages;
    },
    stop: async () => {
      interruption?.removeEventListener('abort', onInterruption);
      await Promise.all([packing.stop(), walking.stop()]);
    },
  };
}
