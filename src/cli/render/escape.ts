import type { Latin1 } from '../../base/path-key.js';
import { pathText } from '../../source/source-path.js';

/**
 * A path as the machine log has it: in quotes, everything but printable ASCII escaped as in a Python string. A byte that is
 * no UTF-8 is the lone surrogate U+DC00 + byte, so that the path can be had back: `'caf\xe9'`, `'\udcff'`.
 */
export function quotedPath(path: Latin1): string {
  return `'${pathText(path).replace(/[^ -~]|[\\']/gu, escapedCharacter)}'`;
}

const namedEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function escapedCharacter(character: string): string {
  const named = namedEscapes[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) as number;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Control characters, of which a terminal obeys some: C0 but tabs and line ends, DEL, C1, and the turns of writing direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about.
const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text that may hold names from elsewhere, for a terminal: control characters show as `\x1b`. */
export function terminalText(text: string): string {
  return text.replace(controls, escapedCharacter);
}

/** One line that may hold bytes of any kind, for a terminal: bytes that are no UTF-8 show as `\xff`, a line end as `\n`. */
export function terminalLine(line: Latin1): string {
  const text = pathText(line).replace(/[\udc80-\udcff]/gu, (byte) =>
    escapedCharacter(String.fromCharCode(byte.charCodeAt(0) - 0xdc00)),
  );
  return terminalText(text).replaceAll('\n', '\\n');
}
