import { displayBytes, type Latin1, slashPath } from '../../base/path-key.js';
import { allSets, type BackupChain, type BackupSet, type Catalog } from '../../chain/catalog.js';
import type { ListedFile } from '../../chain/metadata.js';
import { type FileChange, quotePath } from '../../format/manifest.js';
import { setEnd } from '../../format/names.js';
import { formatTime, prettyTime } from '../../format/times.js';

const rule = '-------------------------';
/** What the peer calls every storage here. */
const backendName = 'BackendWrapper';

/** What a status names besides the chains. */
export interface StatusPlaces {
  archiveFolder: string;
}

/**
 * The state of a collection for people, line by line in the form that wrappers of duplicity read. It does not end with a
 * line feed.
 */
export function collectionStatusText(catalog: Catalog, places: StatusPlaces): string {
  const { primary, orphanedSets, incompleteSets } = catalog;
  const secondary = secondaryChains(catalog);
  const lines = [
    'Collection Status',
    '-----------------',
    `Connecting with backend: ${backendName}`,
    `Archive dir: ${places.archiveFolder}`,
    '',
    `Found ${counted(secondary.length, 'secondary backup chain')}.`,
  ];
  for (const [index, chain] of secondary.entries()) {
    lines.push(`Secondary chain ${index + 1} of ${secondary.length}:`, ...chainLines(chain), '');
  }
  if (primary === undefined) lines.push('No backup chains with active signatures found');
  else {
    lines.push('', 'Found primary backup chain with matching signature chain:', ...chainLines(primary.chain));
  }
  if (orphanedSets.length + incompleteSets.length === 0) {
    lines.push('No orphaned or incomplete backup sets found.');
  } else {
    lines.push(
      `Also found ${counted(orphanedSets.length, 'backup set')} not part of any chain,`,
      `and ${counted(incompleteSets.length, 'incomplete backup set')}.`,
      'These may be deleted by running duplicity with the "cleanup" command.',
    );
  }
  return lines.join('\n');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function secondaryChains({ chains, primary }: Catalog): BackupChain[] {
  return chains.filter((chain) => chain !== primary?.chain);
}

function chainLines(chain: BackupChain): string[] {
  const sets = allSets(chain);
  const volumes = sets.reduce((count, set) => count + set.volumes.size, 0);
  return [
    rule,
    `Chain start time: ${prettyTime(chain.startTime)}`,
    `Chain end time: ${prettyTime(chain.endTime)}`,
    `Number of contained backup sets: ${sets.length}`,
    `Total number of contained volumes: ${volumes}`,
    setLine('Type of backup set:', 'Time:', 'Num volumes:', 15, 3),
    ...sets.map((set) =>
      setLine(setType(set), prettyTime(setEnd(set.times)), String(set.volumes.size), 15, 3),
    ),
    rule,
  ];
}

function setLine(type: string, time: string, last: string, lastWidth: number, gap: number): string {
  return `${type.padStart(20)}   ${time.padStart(30)}${' '.repeat(gap)}${last.padStart(lastWidth)}`;
}

function setType({ times }: BackupSet): string {
  return times.type === 'full' ? 'Full' : 'Incremental';
}

/** The state of a collection for the machine log: the lines that follow the record's first line, `INFO 3 `. */
export function collectionStatusLogLines(catalog: Catalog): string[] {
  const { primary, orphanedSets, incompleteSets } = catalog;
  // The archive's folder is never told here: readers know this line as it is.
  const lines = [`backend ${backendName}`, 'archive-dir (. dir)'];
  for (const [index, chain] of secondaryChains(catalog).entries()) {
    lines.push(`chain-no-sig ${index}`, ...allSets(chain).map(setLogLine));
  }
  if (primary !== undefined) lines.push('chain-complete', ...allSets(primary.chain).map(setLogLine));
  lines.push(`orphaned-sets-num ${orphanedSets.length}`, `incomplete-sets-num ${incompleteSets.length}`);
  return lines;
}

function setLogLine({ times, volumes, encrypted }: BackupSet): string {
  const type = times.type === 'full' ? 'full' : 'inc';
  return ` ${type} ${formatTime(setEnd(times))} ${volumes.size} ${encrypted ? 'enc' : 'noenc'}`;
}

/**
 * The changes of one set, for `--show-changes-in-set`, in lines without their line feeds. Paths stand as in the manifest.
 *
 * @param open streams the list of files of the set's manifest; it is called twice, as the widest path comes first
 */
export async function* changesInSetText(
  set: BackupSet,
  open: () => AsyncIterable<ListedFile>,
): AsyncGenerator<string> {
  let count = 0;
  let widthBytes = 'File:'.length;
  for await (const { key } of open()) {
    count++;
    widthBytes = Math.max(widthBytes, quotePath(slashPath(key)).length);
  }
  const line = (path: string, change: string) => {
    const characters = path.length - surrogatePairs(path);
    return `${path}${' '.repeat(Math.max(0, widthBytes - characters))}  ${change.padStart(20)}`;
  };
  yield rule;
  yield ` Backup set time: ${prettyTime(setEnd(set.times))}`;
  yield `Total number of changes: ${count}`;
  yield line('File:', 'Type of file change:');
  for await (const { change, key } of open()) yield line(displayBytes(quotePath(slashPath(key))), change);
  yield rule;
}

function surrogatePairs(text: string): number {
  return text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
}

/** One set in which a file was new, changed or deleted. */
export interface FileChangeRecord {
  set: BackupSet;
  change: FileChange;
}

/**
 * What became of one file over the sets of a chain, for `--file-changed`.
 *
 * @param path the file as the user named it
 */
export function fileChangedText(path: Latin1, records: readonly FileChangeRecord[]): string {
  return [
    rule,
    `File: ${displayBytes(path)}`,
    `Total number of backup: ${records.length}`,
    setLine('Type of backup set:', 'Time:', 'Type of file change:', 20, 2),
    ...records.map(({ set, change }) =>
      setLine(setType(set), prettyTime(setEnd(set.times)), capitalised(change), 20, 2),
    ),
    rule,
  ].join('\n');
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
