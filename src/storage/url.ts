import { TundraError } from '../base/errors.js';
import { Secret } from '../base/secret.js';

/** Where a backup lies, taken apart. */
export interface ParsedUrl {
  /** In lower case, with its transport: `sftp`, `boto3+s3`. */
  scheme: string;
  user: string | undefined;
  password: Secret | undefined;
  /** Undefined for schemes that have no host, such as `file` and `swift`. */
  host: string | undefined;
  port: number | undefined;
  /**
   * For schemes with a host: from the slash after the host, `/relative` or `//absolute`. For the others: all that
   * follows `scheme://`, `relative` or `/absolute`; there the part before the first slash is not percent-decoded.
   */
  path: string;
  /** What follows `?`, still percent-encoded. */
  query: string;
  /** The address for people: without the password. */
  display: string;
}

/** Schemes whose addresses begin with a host. For all others the host's place belongs to the path. */
const hostSchemes = new Set(
  (
    'boto+s3 fish ftp ftpes ftps gdata+gdocs gdocs gdrive hsi http https imap imaps lftp+fish lftp+ftp ' +
    'lftp+ftpes lftp+ftps lftp+http lftp+https lftp+sftp lftp+webdav lftp+webdavs mega megav2 megav3 ' +
    'ncftp+ftp paramiko+scp paramiko+sftp pexpect+scp pexpect+sftp pydrive pydrive+gdocs rsync s3 scp sftp ' +
    'webdav webdavs'
  ).split(' '),
);

/** Schemes in which a `;` ends the path's last part. */
const parameterSchemes = new Set(['ftp', 'http', 'https', 'sftp']);

const schemePattern = /^([A-Za-z][A-Za-z0-9+.-]*):/;

/** Spaces and control characters in front, line breaks and tabs anywhere: no part of an address. */
function withoutBlanks(text: string): string {
  return text.replace(/^[\0- ]+/, '').replace(/[\t\r\n]/g, '');
}

/** Percent-decoding as UTF-8; what is no valid escape stays as it is, bytes that are not UTF-8 become U+FFFD. */
function percentDecode(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

/** The address without its password. */
function displayOf(text: string): string {
  return text.replace(/^([^:/?#]+:\/\/[^/?#:]*):[^/?#]*(?=@)/, '$1');
}

/** The same for an address that may be broken: its password may hold `/`, `?` or `#`, and then reach into the path. */
function displayOfBroken(text: string): string {
  return text.replace(/^([^:/?#]+:\/\/[^/?#:@]*):.*(?=@)/, '$1');
}

/** Whether an argument is an address rather than a local path: it begins with a scheme and a colon. */
export function isUrl(text: string): boolean {
  return schemePattern.test(withoutBlanks(text));
}

/**
 * Takes an address apart as the peer does: `scheme://[user[:password]@]host[:port]/[/]path`, or `scheme://path` where
 * the scheme knows no host. A fragment (`#…`) is dropped; user, password and path are percent-decoded. An address that
 * breaks these rules is a `bad-url` error.
 */
export function parseUrl(text: string): ParsedUrl {
  const clean = withoutBlanks(text);
  const bad = (reason: string) =>
    new TundraError('bad-url', `bad address ${displayOfBroken(clean)}: ${reason}`, {
      advice: 'Addresses look like file:///usr/local or sftp://user@host/path.',
    });

  const scheme = schemePattern.exec(clean)?.[1]?.toLowerCase();
  if (scheme === undefined) throw bad('it does not begin with a scheme such as file://');
  const parts = /^(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?/.exec(clean.slice(scheme.length + 1));
  const netloc = parts?.[1] ?? '';
  let path = parts?.[2] ?? '';
  if (parameterSchemes.has(scheme)) path = path.replace(/;[^/]*$/, '');
  path = percentDecode(path);

  const { user, password, host, port } = readNetloc(netloc);
  const portNumber = /^\d+$/.test(port) ? Number(port) : undefined;
  const namesPort =
    port !== '' && scheme !== 'rclone' && !(scheme.includes('rsync') && /::[^:]*$/.test(clean));
  if (namesPort && (portNumber === undefined || portNumber > 65535))
    throw bad('its port is not a number up to 65535');

  const hasHost = hostSchemes.has(scheme);
  if (hasHost && host === '') throw bad('it names no host');
  if (!hasHost) {
    if (netloc === '' && !path.startsWith('/')) throw bad(`${scheme}: must be followed by //`);
    // Four slashes are read as two, as the peer does: file:////a is relative.
    path = netloc === '' && path.startsWith('//') ? path.slice(2) : netloc + path;
  }
  return {
    scheme,
    user: user === '' ? undefined : percentDecode(user),
    password: password === '' ? undefined : new Secret(percentDecode(password)),
    host: hasHost ? host : undefined,
    port: portNumber,
    path,
    query: parts?.[3] ?? '',
    display: displayOf(clean),
  };
}

/** The parts of `user:password@host:port`; what is not there is empty. The host comes in lower case. */
function readNetloc(netloc: string): { user: string; password: string; host: string; port: string } {
  const at = netloc.lastIndexOf('@');
  const login = at < 0 ? '' : netloc.slice(0, at);
  const [, user = '', password = ''] = /^([^:]*):?(.*)$/s.exec(login) ?? [];
  const place = netloc.slice(at + 1);
  const [, host = '', port = ''] =
    /^\[([^\]]*)\](?::(.*))?$/s.exec(place) ?? /^([^:]*)(?::(.*))?$/s.exec(place) ?? [];
  return { user, password, host: host.toLowerCase(), port };
}
