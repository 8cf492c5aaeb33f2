import { setEnd } from '../format/names.js';
import type { EpochSeconds } from '../format/times.js';
import { allSets, type BackupChain, type Catalog } from './catalog.js';
import { type BackupSet, setFileNames } from './sets.js';
import type { SignatureChain } from './signature-chains.js';

/** What is to be removed because it is old. */
export interface OldBackups {
  /** Whole chains, or of each but the full set; newest first. */
  chains: BackupChain[];
  /** The signatures of such chains; with `keepFull` all but those of the full set. */
  signatureChains: SignatureChain[];
  keepFull: boolean;
  /** Sets that are old too, and that newer ones build on. */
  needed: BackupSet[];
  /** The newest chain ends before the time too. It stays. */
  isNewestOld: boolean;
}

/**
 * The chains whose last set was made before a time. The newest chain is never among them, whatever its age, nor are
 * signatures of a chain that stays.
 * @param keepFull only chains with incremental sets count, and their full sets stay
 */
export function backupsBefore(catalog: Catalog, time: EpochSeconds, keepFull: boolean): OldBackups {
  const { chains, signatureChains } = catalog;
  const newest = chains.at(-1);
  const old = chains.filter((chain) => chain.endTime < time && chain !== newest);
  const stay = new Set(chains.filter((chain) => !old.includes(chain)).map(({ startTime }) => startTime));
  return {
    chains: old.filter(({ incrementals }) => !keepFull || incrementals.length > 0).reverse(),
    signatureChains: signatureChains
      .filter(({ startTime, endTime }) => endTime < time && !stay.has(startTime))
      .filter(({ files }) => !keepFull || files.length > 1),
    keepFull,
    needed: chains
      .filter(({ endTime }) => endTime >= time)
      .flatMap(allSets)
      .filter(({ times }) => setEnd(times) < time),
    isNewestOld: newest !== undefined && newest.endTime < time,
  };
}

/** The start of the chain that began as the n-th from the end; 0, before all of them, if there are fewer. */
export function startOfChain({ chains }: Catalog, n: number): EpochSeconds {
  return chains.map(({ startTime }) => startTime).sort((a, b) => b - a)[n - 1] ?? 0;
}

/** Files that belong to no finished backup, and to none that could be gone on with. */
export interface Extraneous {
  remote: string[];
  local: string[];
}

export function extraneousFiles(catalog: Catalog): Extraneous {
  const sets = [...catalog.orphanedSets, ...catalog.incompleteSets];
  return {
    remote: [...sets.flatMap(setFileNames), ...catalog.orphanedSignatures.remote],
    local: catalog.orphanedSignatures.local,
  };
}
