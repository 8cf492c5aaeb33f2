import type { Latin1 } from '../../base/path-key.js';

/**
 * The number in a header field: octal digits between spaces and NULs (none is 0), or base 256, big-endian, two's
 * complement, when the first byte is 0x80 or 0xFF. Undefined if it is neither or cannot be held exactly.
 */
export function readNumber(bytes: Uint8Array, at: number, fieldBytes: number): number | undefined {
  const first = bytes[at]!;
  if (first === 0x80 || first === 0xff) return readBase256(bytes, at, fieldBytes);
  const end = at + fieldBytes;
  let i = at;
  while (i < end && bytes[i] === 0x20) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (bytes[i] !== 0 && bytes[i] !== 0x20) return undefined;
  return value;
}

function readBase256(bytes: Uint8Array, at: number, fieldBytes: number): number | undefined {
  let value = bytes[at] === 0xff ? -1 : 0;
  for (let i = at + 1; i < at + fieldBytes; i++) value = value * 256 + bytes[i]!;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A whole number in decimal digits, as PAX records hold it; undefined if it is none or too large. */
export function parseDecimal(text: Latin1): number | undefined {
  const value = /^-?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The whole seconds of a PAX time such as `-1.25`, cut towards zero; undefined if it is none or too large. */
export function parsePaxTime(text: Latin1): number | undefined {
  const value = /^-?[0-9]+(?:\.[0-9]*)?$/.test(text) ? Math.trunc(Number(text)) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
