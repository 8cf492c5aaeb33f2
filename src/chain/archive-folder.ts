import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';

/** What decides where the local archive of a backup lies. */
export interface ArchiveLocation {
  /** `--archive-dir`; `$XDG_CACHE_HOME/duplicity` or `~/.cache/duplicity` if not given. */
  archiveDir: string | undefined;
  /** `--name`. */
  name: string | undefined;
  /** The target's URL, exactly as it stands on the command line, password and all. */
  targetUrl: string;
  environment: Readonly<Record<string, string | undefined>>;
  homeDirectory: string;
}

/**
 * The folder of the local archive, the same that duplicity uses for the same command line. Variables (`$X`, `${X}`) and
 * a leading `~` are expanded, in the name as well; an absolute name stands for the whole path.
 */
export function archiveFolder(location: ArchiveLocation): string {
  const { environment, homeDirectory } = location;
  const cache = environment.XDG_CACHE_HOME ?? `${homeDirectory}/.cache`;
  const base = location.archiveDir ?? `${cache}/duplicity`;
  const name = location.name ?? defaultBackupName(location.targetUrl);
  const path = isAbsolute(name) ? name : base.endsWith('/') ? base + name : `${base}/${name}`;
  return expandHome(expandVariables(path, environment), homeDirectory);
}

/** The name of a backup that was given none: the MD5 of the target's URL in hex. */
export function defaultBackupName(targetUrl: string): string {
  return createHash('md5').update(targetUrl, 'utf8').digest('hex');
}

function expandVariables(path: string, environment: ArchiveLocation['environment']): string {
  return path.replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, plain?: string, braced?: string) => environment[plain ?? braced ?? ''] ?? whole,
  );
}

function expandHome(path: string, homeDirectory: string): string {
  return path === '~' || path.startsWith('~/') ? homeDirectory + path.slice(1) : path;
}
