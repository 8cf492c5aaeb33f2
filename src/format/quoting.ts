import type { Latin1 } from '../base/path-key.js';

/** What quoting turns into `\xHH`: ASCII white space, the backslash and quotes. */
const quotable = /[\t-\r \\"']/;
const quotables = /[\t-\r \\"']/g;

/** A byte string as one word of a manifest: in double quotes with `\xHH` for bytes that would break it, else as it is. */
export function quotePath(path: Latin1): Latin1 {
  if (!quotable.test(path)) return path;
  const hex = (byte: Latin1) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return `"${path.replace(quotables, hex)}"`;
}

/** The inverse of `quotePath`; undefined if the quoting is broken. */
export function unquotePath(quoted: Latin1): Latin1 | undefined {
  if (!quoted.startsWith('"')) return quoted;
  if (quoted.length < 2 || !quoted.endsWith('"')) return undefined;
  const inner = quoted.slice(1, -1);
  if (inner.replace(/\\x[0-9a-f]{2}/gi, '').includes('\\')) return undefined;
  return inner.replace(/\\x(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
