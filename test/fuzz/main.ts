/** `npm run fuzz -- [TARGET…] [--minutes N] [--seed S] [--findings FOLDER]`: all targets unless some are named. */
import { parseArgs } from 'node:util';
import { type FuzzReport, fuzz, keep } from './driver.js';
import { targetNames } from './targets/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    findings: { type: 'string', default: 'fuzz-findings' },
  },
});
const unknown = positionals.filter((name) => !targetNames.includes(name));
if (unknown.length > 0) {
  console.error(`no such target: ${unknown.join(' ')}; there are ${targetNames.join(' ')}`);
  process.exit(2);
}

const mega = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** One line for a target, and one for each kind of finding. */
function tell(report: FuzzReport): void {
  const { target, cases, ms, findings, peakBytes, outcomes, cpuMs } = report;
  const minutes = (ms: number) => (ms / 60_000).toFixed(1);
  const figures = `${cases} inputs in ${minutes(ms)} min (${minutes(cpuMs)} of a processor), ${outcomes} outcomes, peak ${mega(peakBytes)}`;
  console.log(`${target}: ${figures}, ${findings.length} findings`);
  const told = new Set<string>();
  for (const finding of findings) {
    const place = /^ *at .*$/m.exec(finding.stack)?.[0]?.trim() ?? '';
    const kind = `${finding.what.replace(/[0-9]+/g, '0')} ${place}`;
    if (told.has(kind)) continue;
    told.add(kind);
    console.log(`  ${finding.what}\n    ${finding.stack.split('\n').slice(0, 6).join('\n    ')}`);
    console.log(`    input: ${keep(finding, `${values.findings}/${target}`)}`);
  }
}

const forMs = Number(values.minutes) * 60_000;
const seed = Number(values.seed);
console.log(`seed ${seed}`);
for (const target of positionals.length > 0 ? positionals : targetNames) {
  const report = await fuzz({ target, seed, forMs });
  tell(report);
  if (report.findings.length > 0) process.exitCode = 1;
}
