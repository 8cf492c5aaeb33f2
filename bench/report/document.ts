import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Findings } from '../findings.js';
import { charts } from './charts.js';
import { markdownParts, replaceParts } from './markdown.js';

/** Puts the figures between the marks of a document, and the charts into the folder beside it that has its name. */
export function writeDocument(path: string, findings: Findings): void {
  const name = basename(path, extname(path));
  const drawn = charts(findings);
  const parts = markdownParts(findings);
  const images = [...drawn].map(([file, { title }]) => `![${title}](${name}/${file})`);
  if (images.length > 0) parts.set('charts', images.join('\n\n'));
  const document = replaceParts(readFileSync(path, 'utf8'), parts);
  const folder = join(dirname(path), name);
  mkdirSync(folder, { recursive: true });
  for (const [file, { svg }] of drawn) writeFileSync(join(folder, file), svg);
  writeFileSync(path, document);
}
