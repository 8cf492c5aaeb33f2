/** How many small requests a storage gets at the same time. */
const requestsAtOnce = 8;

/**
 * Does a task for each item, a few at the same time; the results come in the order of the items. After a failure nothing
 * more is begun, and what runs is waited for: a caller that tries again then is alone.
 */
export async function sideBySide<Item, Result>(
  items: readonly Item[],
  task: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  let failure: { error: unknown } | undefined;
  async function work(): Promise<void> {
    for (const [index, item] of queue) {
      try {
        results[index] = await task(item);
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  }
  await Promise.all(Array.from({ length: Math.min(requestsAtOnce, items.length) }, work));
  if (failure !== undefined) throw failure.error;
  return results;
}
