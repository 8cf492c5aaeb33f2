import { availableParallelism } from 'node:os';

/** What is built for two takes no less: its threads wait for one another. */
const fewest = 2;

/** How many processors to keep busy: all that this process may use, or as many of them as were asked for. */
export function processorsToUse(asked: number | undefined): number {
  const all = availableParallelism();
  return asked === undefined || asked === 0 ? all : Math.min(all, Math.max(fewest, asked));
}
