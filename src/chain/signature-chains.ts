import { setEnd } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import { isKind, type ParsedName, preferred, type SignatureName, timesKey } from './sets.js';

/** The signature files of a full set and of the incremental ones that follow it. */
export interface SignatureChain {
  location: 'local' | 'remote';
  /** The full set's file first; `end` is the time of the set. */
  files: { name: string; end: EpochSeconds }[];
  startTime: EpochSeconds;
  endTime: EpochSeconds;
}

export interface SignatureChains {
  chains: SignatureChain[];
  /** Names of files that fit no chain. */
  orphans: string[];
  /** Names that claim to be a file which another name already is. */
  duplicates: string[];
}

/**
 * Links signature files into chains. Partial files count in the local archive only, where they stand for an interrupted
 * run; encrypted ones on the storage only, as locally they were on their way there.
 *
 * @param chained the keys of the sets that are in a chain: of two files that could go on a chain, theirs does
 */
export function buildSignatureChains(
  location: 'local' | 'remote',
  names: readonly ParsedName[],
  chained: ReadonlySet<string>,
): SignatureChains {
  const duplicates: string[] = [];
  const files = new Map<string, SignatureName>();
  for (const name of names) {
    if (!isKind(name, 'signatures')) continue;
    if (location === 'local' ? name.parsed.encrypted : name.parsed.partial) continue;
    const key = timesKey(name.parsed.set);
    const known = files.get(key);
    const chosen = known === undefined ? name : prefer(known, name);
    if (known !== undefined) duplicates.push(chosen === known ? name.name : known.name);
    files.set(key, chosen);
  }

  const chains: SignatureChain[] = [];
  const following: SignatureName[] = [];
  for (const file of files.values()) {
    const { set } = file.parsed;
    if (set.type === 'incremental') following.push(file);
    else {
      const files = [{ name: file.name, end: set.time }];
      chains.push({ location, files, startTime: set.time, endTime: set.time });
    }
  }
  const orphans: string[] = [];
  for (const { name, parsed } of following.sort(byStart(chained))) {
    const { set } = parsed;
    const chain = chains.find(({ endTime }) => set.type === 'incremental' && endTime === set.start);
    if (chain === undefined) {
      orphans.push(name);
      continue;
    }
    chain.endTime = setEnd(set);
    chain.files.push({ name, end: chain.endTime });
  }
  return { chains, orphans, duplicates };
}

/** A final file that stands beside the partial one may be cut short: it was being made from it. */
function prefer(a: SignatureName, b: SignatureName): SignatureName {
  if (a.parsed.partial !== b.parsed.partial) return a.parsed.partial ? a : b;
  return preferred(a, b);
}

function byStart(chained: ReadonlySet<string>) {
  const start = ({ parsed: { set } }: SignatureName) => (set.type === 'full' ? set.time : set.start);
  const isChained = ({ parsed }: SignatureName) => (chained.has(timesKey(parsed.set)) ? 0 : 1);
  return (a: SignatureName, b: SignatureName) =>
    start(a) - start(b) || isChained(a) - isChained(b) || setEnd(b.parsed.set) - setEnd(a.parsed.set);
}
