import type { Latin1 } from '../../base/path-key.js';

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** A value in a query, or one part of a path: every byte that is not plain is escaped. */
export function percentEncode(bytes: Latin1): string {
  return bytes.replace(/[^A-Za-z0-9\-._~]/g, escaped);
}

/** A path: the same, and its slashes stay. */
export function percentEncodePath(bytes: Latin1): string {
  return bytes.replace(/[^A-Za-z0-9\-._~/]/g, escaped);
}

/** The reverse; what is no valid escape stays. */
export function percentDecode(text: string): Latin1 {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
