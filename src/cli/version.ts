import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** The duplicity whose command line and format this is checked against: what wrappers may rely on. */
export const duplicityVersion = '0.8.22';

/** The version, as package.json has it. */
export function version(): string {
  let file = new URL('./package.json', import.meta.url);
  while (!existsSync(file)) file = new URL('../package.json', file);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/**
 * Whether this process was started under duplicity's name: by a link of that name, or by `bin/duplicity`, which sets the
 * name of the process.
 */
export function calledDuplicity({
  argv,
  argv0,
}: {
  argv: readonly string[];
  argv0: string;
} = process): boolean {
  return basename(argv[1] ?? '') === 'duplicity' || basename(argv0) === 'duplicity';
}

/**
 * What `--version` prints. Under duplicity's name it is the line of the duplicity that this stands in for: wrappers read
 * its second word (duply, backupninja) or its last (Déjà Dup) and choose by it what they ask for.
 */
export function versionLine(asDuplicity = calledDuplicity()): string {
  return asDuplicity ? `duplicity ${duplicityVersion}` : `tundra ${version()}`;
}
