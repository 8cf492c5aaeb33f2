import type { Latin1 } from '../base/path-key.js';

const nonAscii = /[^\0-\x7f]/;

/** One UTF-8 sequence of two to four bytes (shortest form, no surrogates), or else a single byte above 0x7f. */
const sequence =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

/**
 * A path as characters, which is what selection rules match: its bytes read as UTF-8. A byte that is not UTF-8 becomes
 * the lone surrogate U+DC00 + byte, so that it counts as one character and no two paths read alike.
 */
export function pathText(path: Latin1): string {
  if (!nonAscii.test(path)) return path;
  const text = Buffer.from(path, 'latin1').toString('utf8');
  // U+FFFD may stand in the name itself; the careful way below gets both right.
  if (!text.includes('\ufffd')) return text;
  return path.replace(sequence, (bytes) =>
    bytes.length === 1
      ? String.fromCharCode(0xdc00 + bytes.charCodeAt(0))
      : Buffer.from(bytes, 'latin1').toString('utf8'),
  );
}

/** The path that reads as `text`: what `pathText` made of it goes back to the same bytes. */
export function textPath(text: string): Latin1 {
  if (!nonAscii.test(text)) return text;
  return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[^\0-\x7f]/g, (character) => {
    const code = character.charCodeAt(0);
    const isByte = code >= 0xdc80 && code <= 0xdcff;
    return isByte ? String.fromCharCode(code - 0xdc00) : Buffer.from(character, 'utf8').toString('latin1');
  });
}

/**
 * A source folder as the user gave it, without empty and `.` components and without a trailing `/`; `..` stays, since a
 * symbolic link may stand before it. Nothing left is `.`.
 */
export function canonicalRoot(path: Latin1): Latin1 {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/')) return `/${parts.join('/')}`;
  return parts.length === 0 ? '.' : parts.join('/');
}

/** The path of `name` in a folder whose path is canonical. */
export function childPath(folder: Latin1, name: Latin1): Latin1 {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}
