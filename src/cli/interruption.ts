import { setMaxListeners } from 'node:events';
import { constants } from 'node:os';
import type { CommandName } from '../config/options.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof signals)[number];

/** The signals that end a run. */
export interface Interruption {
  /** Raised by the first of them. */
  readonly signal: AbortSignal;
  /** Which one it was, and the exit status it stands for; undefined as long as there was none. */
  readonly by: { name: Signal; exitStatus: number } | undefined;
}

/** How long a run may take to end after the first signal. */
const longestEndMs = 5000;

/**
 * Has the first signal raise `signal`, so that the run cleans up and ends; a second one ends it at once, and so does time.
 * Also then temporary files go, as far as that takes no waiting.
 */
export function catchSignals(): Interruption {
  const controller = new AbortController();
  // Every storage call under way listens.
  setMaxListeners(0, controller.signal);
  const interruption: { signal: AbortSignal; by: Interruption['by'] } = {
    signal: controller.signal,
    by: undefined,
  };
  for (const name of signals) {
    process.on(name, () => {
      const exitStatus = 128 + constants.signals[name];
      if (interruption.by !== undefined) process.exit(interruption.by.exitStatus);
      interruption.by = { name, exitStatus };
      setTimeout(() => process.exit(exitStatus), longestEndMs).unref();
      controller.abort();
    });
  }
  return interruption;
}

const backup = 'What was sent stays, and the next run goes on.';

/** What becomes of a command that was interrupted. */
const whatFollows: Partial<Record<CommandName, string>> = {
  backup,
  full: backup,
  incremental: backup,
  restore: 'The same command goes on where this one stopped.',
  thaw: 'What was asked for thaws all the same.',
  cleanup: 'The same command deletes the rest.',
  'remove-older-than': 'The same command deletes the rest.',
  'remove-all-but-n-full': 'The same command deletes the rest.',
  'remove-all-inc-of-but-n-full': 'The same command deletes the rest.',
};

export function interruptionText(name: Signal, command: CommandName): string {
  return [`Interrupted by ${name}.`, whatFollows[command]].filter(Boolean).join(' ');
}
