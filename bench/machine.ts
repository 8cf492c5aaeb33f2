import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

/** What the machine is, for a reader of the figures. */
export function machineFacts(work: string): Record<string, string> {
  const { stdout } = spawnSync('stat', ['-f', '-c', '%T', work], { encoding: 'utf8' });
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: String(cpus().length),
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GB`,
    'file system': stdout?.trim() || 'unknown',
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}
