import { editDistance } from '../base/edit-distance.js';
import { messageOf, TundraError } from '../base/errors.js';

/** What a class of storage costs, in the table's currency. A GB is 10^9 bytes. What is left out costs nothing. */
export interface ClassPrices {
  /** For each GB that is thawed. */
  retrievalPerGb?: number;
  /** For a thousand objects that are asked for. */
  requestsPer1000?: number;
  /** For each GB that leaves the storage. */
  trafficPerGb?: number;
  /** How long an object is paid for at least, in days. */
  minimumDays?: number;
  storagePerGbMonth?: number;
}

/** The user's own prices. Classes that are not in it have no price. */
export interface PriceTable {
  currency: string;
  classes: ReadonlyMap<string, ClassPrices>;
}

/** An object that is to be fetched. */
export interface PricedItem {
  storageClass: string;
  sizeBytes: number;
  state: 'sealed' | 'thawing' | 'ready';
}

/** What the objects of one class cost: `objects` and `bytes` are all that are fetched. */
export interface CostLine {
  storageClass: string;
  objects: number;
  bytes: number;
  retrieval: number;
  requests: number;
  traffic: number;
}

export interface Cost {
  currency: string;
  /** The sum of the lines: less than what is to be paid if there are classes without a price. */
  total: number;
  /** Classes whose prices are not known. */
  unpriced: string[];
  lines: CostLine[];
}

const fetchPrices = ['retrievalPerGb', 'requestsPer1000', 'trafficPerGb'] as const;
const priceKeys: readonly (keyof ClassPrices)[] = [...fetchPrices, 'minimumDays', 'storagePerGbMonth'];
const bytesPerGb = 1e9;

const advice =
  'A price table looks like { "currency": "EUR", "classes": { "pca": { "retrievalPerGb": 0.01 } } }; ' +
  `a class may have ${priceKeys.join(', ')}.`;

/** Reads a price table, JSON. Errors are `user-error`, and name the file, the place in it, and what is expected. */
export function parsePrices(text: string, path: string): PriceTable {
  const refuse = (reason: string) =>
    new TundraError('user-error', `price table ${path}: ${reason}`, { advice });

  /** The members of an object, all of which must be known. */
  function members(value: unknown, where: string, known?: readonly string[]): [string, unknown][] {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw refuse(`${where} must be an object`);
    }
    const entries = Object.entries(value);
    for (const [key] of entries) {
      if (known === undefined || known.includes(key)) continue;
      throw refuse(`${where} has the key ${JSON.stringify(key)}, which means nothing${hintFor(key, known)}`);
    }
    return entries;
  }

  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw refuse(`the file is not valid JSON: ${placed(messageOf(cause), text)}`);
  }
  const { currency, classes } = Object.fromEntries(members(document, 'the file', ['currency', 'classes']));
  if (typeof currency !== 'string' || !/^\p{L}{1,8}$|^\p{Sc}$/u.test(currency)) {
    throw refuse('"currency" must be the name of a currency, such as "EUR"');
  }
  if (classes === undefined) throw refuse('"classes" is missing');
  const table = new Map<string, ClassPrices>();
  for (const [storageClass, value] of members(classes, '"classes"')) {
    const where = `class ${JSON.stringify(storageClass)}`;
    const entries = members(value, where, priceKeys);
    for (const [key, price] of entries) {
      // JSON has no infinity, but 1e999 is read as one.
      if (typeof price !== 'number' || !Number.isFinite(price) || price < 0) {
        throw refuse(`${where}: "${key}" must be a number, 0 or more`);
      }
    }
    table.set(storageClass, Object.fromEntries(entries));
  }
  return { currency, classes: table };
}

/** `; did you mean "retrievalPerGb"?`, where one of the known keys is near. */
function hintFor(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near !== undefined && near.distance <= Math.max(2, key.length / 4)
    ? `; did you mean ${JSON.stringify(near.name)}?`
    : '';
}

/** A JSON error, whose position is told as line and column. */
function placed(message: string, text: string): string {
  return message.replace(/ at position (\d+).*/, (_, position: string) => {
    const lines = text.slice(0, Number(position)).split('\n');
    return ` at line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
  });
}

/**
 * What it costs to fetch objects: retrieval and requests for those that are sealed, traffic for all. No price is
 * assumed: a class that is not in the table, or for which it says none of these three, is in `unpriced`, not in `lines`.
 */
export function costOf(table: PriceTable, items: Iterable<PricedItem>): Cost {
  const lines = new Map<string, CostLine>();
  const unpriced = new Set<string>();
  for (const { storageClass, sizeBytes, state } of items) {
    const prices = table.classes.get(storageClass);
    if (prices === undefined || fetchPrices.every((key) => prices[key] === undefined)) {
      unpriced.add(storageClass);
      continue;
    }
    const { retrievalPerGb = 0, requestsPer1000 = 0, trafficPerGb = 0 } = prices;
    let line = lines.get(storageClass);
    if (line === undefined) {
      line = { storageClass, objects: 0, bytes: 0, retrieval: 0, requests: 0, traffic: 0 };
      lines.set(storageClass, line);
    }
    line.objects++;
    line.bytes += sizeBytes;
    line.traffic += (sizeBytes / bytesPerGb) * trafficPerGb;
    if (state !== 'sealed') continue;
    line.retrieval += (sizeBytes / bytesPerGb) * retrievalPerGb;
    line.requests += requestsPer1000 / 1000;
  }
  let total = 0;
  for (const { retrieval, requests, traffic } of lines.values()) total += retrieval + requests + traffic;
  return { currency: table.currency, total, unpriced: [...unpriced], lines: [...lines.values()] };
}

/** An object that is to be deleted, and how long it has been stored. */
export interface DeletedItem {
  storageClass: string;
  sizeBytes: number;
  ageSeconds: number;
}

/** What is still to be paid for objects of one class that are deleted before their time. */
export interface EarlyDeletion {
  storageClass: string;
  minimumDays: number;
  objects: number;
  bytes: number;
  /** In the table's currency; undefined where the table has no price of storing. */
  cost: number | undefined;
}

const daySeconds = 86_400;
const daysPerMonth = 30;

/** The objects that are younger than their class is paid for at least. Classes without such a time are left out. */
export function earlyDeletions(table: PriceTable, items: Iterable<DeletedItem>): EarlyDeletion[] {
  const found = new Map<string, EarlyDeletion>();
  for (const { storageClass, sizeBytes, ageSeconds } of items) {
    const { minimumDays = 0, storagePerGbMonth } = table.classes.get(storageClass) ?? {};
    const daysLeft = minimumDays - ageSeconds / daySeconds;
    if (daysLeft <= 0) continue;
    const line = found.get(storageClass) ?? {
      storageClass,
      minimumDays,
      objects: 0,
      bytes: 0,
      cost: storagePerGbMonth === undefined ? undefined : 0,
    };
    found.set(storageClass, line);
    line.objects++;
    line.bytes += sizeBytes;
    if (line.cost !== undefined && storagePerGbMonth !== undefined)
      line.cost += (sizeBytes / bytesPerGb) * storagePerGbMonth * (daysLeft / daysPerMonth);
  }
  return [...found.values()];
}
