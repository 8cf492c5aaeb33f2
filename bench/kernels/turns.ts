import type { Comparison } from '../findings.js';

/** Something that contenders do with the same bytes. */
export interface Contest {
  what: string;
  sizeBytes: number;
  /** One for each contender; undefined where it cannot. */
  actions: readonly ((() => void | Promise<void>) | undefined)[];
}

/** Lets the contenders of each contest take turns. Speeds are in MB/s. */
export async function takeTurns(contests: readonly Contest[], rounds: number): Promise<Comparison['rows']> {
  const rows: Comparison['rows'] = [];
  for (const { what, sizeBytes, actions } of contests) {
    const speeds: number[][] = actions.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, action] of actions.entries()) {
        if (action === undefined) continue;
        const start = process.hrtime.bigint();
        await action();
        speeds[index]!.push((sizeBytes * 1000) / Number(process.hrtime.bigint() - start));
      }
    }
    rows.push({ what, speeds });
  }
  return rows;
}
