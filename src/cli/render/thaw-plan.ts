import { type Cost, costOf, type PriceTable } from '../../config/prices.js';
import type { PlannedObject, ThawPlan } from '../../operations/thaw-plan.js';
import { durationText, sizeText } from './statistics.js';

type PlanState = PlannedObject['state'];

const meaningOf: Record<PlanState, string> = {
  hot: 'can be read at any time',
  ready: 'thawed, can be read now',
  thawing: 'asked for, on its way',
  sealed: 'in cold storage, not asked for',
};
const states: readonly PlanState[] = ['hot', 'ready', 'thawing', 'sealed'];

/** The state of a plan in numbers: for each state how many volumes and bytes. */
function sums(plan: ThawPlan): { state: PlanState; objects: number; sizeBytes: number }[] {
  return states.flatMap((state) => {
    const chosen = plan.volumes.filter((volume) => volume.state === state);
    const sizeBytes = chosen.reduce((sum, volume) => sum + volume.sizeBytes, 0);
    return chosen.length === 0 ? [] : [{ state, objects: chosen.length, sizeBytes }];
  });
}

/** Whether all can be read now. */
export function isReady(plan: ThawPlan): boolean {
  return plan.volumes.every(({ state }) => state === 'hot' || state === 'ready');
}

/** When the last volume on its way can be read, if the storage tells of all of them; undefined if none is. */
function readyAt(plan: ThawPlan): number | undefined {
  const thawing = plan.volumes.filter(({ state }) => state === 'thawing');
  if (thawing.length === 0 || thawing.some(({ readyAtMs }) => readyAtMs === undefined)) return undefined;
  return Math.max(...thawing.map(({ readyAtMs }) => readyAtMs as number));
}

/** How long a thaw is likely to take, for each class of which something is still to be asked for. */
function waitsOf({ volumes, waits }: ThawPlan): ThawPlan['waits'] {
  return waits.filter(({ storageClass }) =>
    volumes.some((volume) => volume.state === 'sealed' && volume.storageClass === storageClass),
  );
}

function costOfPlan(plan: ThawPlan, prices: PriceTable | undefined): Cost | undefined {
  if (prices === undefined) return undefined;
  return costOf(
    prices,
    plan.volumes.flatMap(({ state, storageClass, sizeBytes }) =>
      state === 'hot' || storageClass === undefined ? [] : [{ state, storageClass, sizeBytes }],
    ),
  );
}

/**
 * The plan for people.
 *
 * @param pricesPath where prices are read from, or would be
 * @param listed whether to name each volume
 */
export function thawPlanText(
  plan: ThawPlan,
  nowMs: number,
  prices: PriceTable | undefined,
  pricesPath: string,
  listed: boolean,
): string {
  const total = plan.volumes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const lines = [`Volumes needed: ${plan.volumes.length} (${sizeText(total)})`];
  for (const { state, objects, sizeBytes } of sums(plan)) {
    lines.push(
      `  ${state.padEnd(8)} ${String(objects).padStart(6)}  ${sizeText(sizeBytes)}: ${meaningOf[state]}`,
    );
  }
  lines.push(...waitLines(plan, nowMs), ...costLines(plan, prices, pricesPath));
  if (listed) {
    lines.push('Volumes:');
    for (const { name, sizeBytes, state, readyAtMs } of plan.volumes) {
      const when = state === 'thawing' && readyAtMs !== undefined ? `, ${momentText(readyAtMs, nowMs)}` : '';
      lines.push(`  ${name}  ${sizeText(sizeBytes)}  ${state}${when}`);
    }
  }
  return lines.join('\n');
}

function waitLines(plan: ThawPlan, nowMs: number): string[] {
  if (isReady(plan)) return ['Expected wait: none'];
  const lines: string[] = [];
  const atMs = readyAt(plan);
  if (atMs !== undefined) lines.push(`On their way: ready ${momentText(atMs, nowMs)}, as the storage says`);
  else if (plan.volumes.some(({ state }) => state === 'thawing')) {
    lines.push('On their way: the storage does not tell when they are ready');
  }
  for (const { storageClass, expected } of waitsOf(plan)) {
    if (expected === undefined) {
      lines.push(`Expected wait for ${storageClass}: not known; the storage tells once it is asked`);
      continue;
    }
    const range = `${durationText(expected.fromMs / 1000)} to ${durationText(expected.toMs / 1000)}`;
    const source =
      expected.source === 'seen' ? 'as seen here before' : 'as is known of this class of storage';
    lines.push(`Expected wait for ${storageClass}: ${range}, ${source}`);
  }
  return lines;
}

function costLines(plan: ThawPlan, prices: PriceTable | undefined, pricesPath: string): string[] {
  if (!plan.volumes.some(({ state }) => state !== 'hot')) return [];
  const cost = costOfPlan(plan, prices);
  if (cost === undefined) return [`Cost: not known, as there is no price table at ${pricesPath}`];
  const unpriced =
    cost.unpriced.length === 0
      ? []
      : [`Cost of ${cost.unpriced.join(', ')}: not known, no price in ${pricesPath}`];
  const priced =
    cost.lines.length === 0 ? [] : [`Cost: ${cost.total.toFixed(2)} ${cost.currency} by ${pricesPath}`];
  return [...priced, ...unpriced];
}

function momentText(atMs: number, nowMs: number): string {
  const inSeconds = Math.max(0, Math.ceil((atMs - nowMs) / 1000));
  return `at ${new Date(atMs).toISOString()} (in ${durationText(inSeconds)})`;
}

/** The plan for programs. */
export function thawPlanJson(plan: ThawPlan, prices: PriceTable | undefined): string {
  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const cost = costOfPlan(plan, prices);
  return JSON.stringify(
    {
      ready: isReady(plan),
      readyAt: time(readyAt(plan)),
      states: Object.fromEntries(
        sums(plan).map(({ state, objects, sizeBytes }) => [state, { volumes: objects, bytes: sizeBytes }]),
      ),
      expectedWaits: waitsOf(plan).map(({ storageClass, expected }) => ({
        storageClass,
        fromSeconds: expected === undefined ? null : expected.fromMs / 1000,
        toSeconds: expected === undefined ? null : expected.toMs / 1000,
        source: expected?.source ?? null,
      })),
      cost:
        cost === undefined ? null : { currency: cost.currency, total: cost.total, unpriced: cost.unpriced },
      volumes: plan.volumes.map(
        ({ name, sizeBytes, state, storageClass, store, readyAtMs, readyUntilMs }) => ({
          name,
          bytes: sizeBytes,
          state,
          storageClass: storageClass ?? null,
          store: store ?? null,
          readyAt: time(readyAtMs),
          readyUntil: time(readyUntilMs),
        }),
      ),
    },
    null,
    2,
  );
}
