import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Findings } from '../findings.js';
import { charts } from './charts.js';
import { markdownParts, replaceParts } from './markdown.js';

/** Puts the figures between the marks of a document, and the charts into the folder beside it that has its name. */
export function writeDocument(path: string, findings: Findings): void {
  const document = replaceParts(readFileSync(path, 'utf8'), markdownParts(findings));
  const folder = join(dirname(path), basename(path, extname(path)));
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of charts(findings)) writeFileSync(join(folder, name), svg);
  writeFileSync(path, document);
}
