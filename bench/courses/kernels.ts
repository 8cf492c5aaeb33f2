import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPgp } from '../kernels/openpgp.js';
import { rsyncKernels } from '../kernels/rsync.js';
import type { Stage } from '../stage.js';
import { buildTree } from '../tree.js';

const rounds = 5;

/** What each of these prints stands in the report as it is. They take a file and how many MB of it to use. */
const programs = [
  { file: 'deflate.js', title: 'Deflate, beside zlib' },
  { file: 'inflate.js', title: 'Inflate, beside zlib' },
] as const;

/** The inner loops, each beside what others use for it. */
export async function kernels(stage: Stage): Promise<void> {
  const { options, findings, folder } = stage;
  for (const measure of [
    () => rsyncKernels(folder, options.kernelBytes, rounds),
    () => openPgp(folder, options.openPgpBytes, rounds),
  ]) {
    const comparison = await measure();
    findings.comparisons.push(comparison);
    stage.progress(`kernels      ${comparison.title}`);
  }
  const sample = makeSample(folder, options.kernelBytes);
  for (const { file, title } of programs) {
    const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
    if (!existsSync(program)) continue;
    const args = [program, sample, String(options.kernelBytes / 1e6)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status === 0) findings.printed.push({ work: 'kernels', title, text: stdout.trim() });
    else findings.failures.push(`${file} ended with ${status}: ${stderr.trim()}`);
    stage.progress(`kernels      ${title}`);
  }
}

/** A tar of files as the bench tree has them. */
function makeSample(folder: string, sizeBytes: number): string {
  const tree = join(folder, 'sample');
  mkdirSync(tree);
  buildTree(tree, { sizeBytes, files: Math.ceil(sizeBytes / 17_500) });
  const path = join(folder, 'sample.tar');
  const { status } = spawnSync('tar', ['--create', '--file', path, '--directory', tree, '.']);
  if (status !== 0) throw new Error(`tar ended with ${status}`);
  return path;
}
