// Writes docs/recording.md, what docs/recording.cast leaves on the screen, as text.
import { readFileSync, writeFileSync } from 'node:fs';

const docs = new URL('../docs/', import.meta.url);
const [, ...events] = readFileSync(new URL('recording.cast', docs), 'utf8').trim().split('\n');
const output = events.map((event) => JSON.parse(event)).filter(([, kind]) => kind === 'o');
const lines = [''];
// Colours are left out. Where a line is erased, as a bar is before the next one, what stood there is gone.
const escapeCode = String.fromCharCode(27);
const pattern = new RegExp(`${escapeCode}\\[[0-9;]*([mK])|\\r|\\n|[^${escapeCode}\\r\\n]+`, 'g');
for (const [text, code] of output
  .map(([, , data]) => data)
  .join('')
  .matchAll(pattern)) {
  if (text === '\n') lines.push('');
  else if (code === 'K') lines[lines.length - 1] = '';
  else if (code === undefined && text !== '\r') lines[lines.length - 1] += text;
}
const screen = lines.join('\n').trim();
writeFileSync(
  new URL('recording.md', docs),
  `# A recording

A full backup that is killed and gone on with, a restore from storage that thaws, an error: what the commands of
[recording.sh](recording.sh) left on a terminal. With its bars, as it ran: \`asciinema play docs/recording.cast\`.

\`\`\`text
${screen}
\`\`\`
`,
);
