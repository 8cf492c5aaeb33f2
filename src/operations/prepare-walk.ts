import { prepareThread, type WaitingThread } from './thread.js';
import type { WalkThreadInput } from './walk-thread.js';

/** Starts the thread of a walk, so that it is there when it is known what is to be walked. */
export function prepareWalk(): WaitingThread<WalkThreadInput> {
  return prepareThread(new URL('./walk-thread.js', import.meta.url));
}
