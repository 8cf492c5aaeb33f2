import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replayedCase, type SessionLine, type SessionOrder } from './session-order.js';

/** An input that a parser did not take as it should. */
export interface Finding {
  what: string;
  stack: string;
  input: Buffer;
}

export interface FuzzReport {
  target: string;
  cases: number;
  ms: number;
  findings: Finding[];
  /** The largest resident size of the process that ran the cases. */
  peakBytes: number;
  /** Different outcomes that were seen. */
  outcomes: number;
  /** What the sessions that came to their end took of the processors. */
  cpuMs: number;
}

export interface FuzzOptions {
  target: string;
  seed: number;
  cases?: number;
  forMs?: number;
  /** Files to be parsed first, as they are. */
  replay?: string[];
  /** What a case may take, before it counts as a hang: 10 s unless given. */
  caseLimitMs?: number;
}

const usualCaseLimitMs = 10_000;
const watchMs = 250;
const memoryLimitBytes = 300e6;
/** More of them say nothing new. */
const mostFindings = 200;
/** What the parsers leave behind for the collector stays far below the limit that is watched. */
const nodeOptions = ['--max-old-space-size=256', '--max-semi-space-size=4'];

/**
 * Runs the cases of a target in a process of its own, and goes on with a new one behind a case that hung, died or took
 * too much memory. A case that seemed to is tried once more by itself before it counts.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { target, seed, caseLimitMs = usualCaseLimitMs } = options;
  const { cases = Number.MAX_SAFE_INTEGER, forMs = Number.MAX_SAFE_INTEGER } = options;
  const folder = mkdtempSync(join(tmpdir(), 'tundra-fuzz-driver-'));
  const report: FuzzReport = { target, cases: 0, ms: 0, findings: [], peakBytes: 0, outcomes: 0, cpuMs: 0 };
  const begun = Date.now();
  try {
    const currentPath = join(folder, 'current');
    let replay = options.replay ?? [];
    for (let firstCase = 0; ; ) {
      const leftMs = forMs - (Date.now() - begun);
      const order: SessionOrder = {
        target,
        seed,
        firstCase,
        endCase: Math.min(cases, replayedCase - 1),
        forMs: leftMs,
        replay,
        currentPath,
        memoryLimitBytes,
      };
      const ended = await runSession(order, caseLimitMs);
      const { end, suspect } = ended;
      report.findings.push(...ended.findings.slice(0, mostFindings - report.findings.length));
      report.peakBytes = Math.max(report.peakBytes, end?.peakBytes ?? 0);
      report.cpuMs += end?.cpuMs ?? 0;
      report.outcomes = Math.max(report.outcomes, end?.outcomes ?? 0);
      if (end !== undefined) {
        report.cases = end.nextCase;
        if (end.openFiles > 20) {
          const what = `${end.openFiles} files are open at the end`;
          report.findings.push({ what, stack: '', input: Buffer.alloc(0) });
        }
        break;
      }
      if (suspect === undefined) throw new Error(`the session for ${target} did not begin: ${ended.log}`);
      report.findings.push(...(await confirmed(suspect, order, folder, caseLimitMs)));
      // A file that ended the session ends the replay: the others must wait until it is mended.
      firstCase = suspect.caseNumber === replayedCase ? firstCase : suspect.caseNumber + 1;
      replay = [];
      report.cases = firstCase;
      if (firstCase >= cases || Date.now() - begun >= forMs || report.findings.length >= mostFindings) break;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  report.ms = Date.now() - begun;
  return report;
}

/** A case that its session did not survive, and how that ended. */
interface Suspect {
  caseNumber: number;
  what: string;
  input: Buffer;
}

interface SessionEnd {
  end: Extract<SessionLine, { kind: 'end' }> | undefined;
  findings: Finding[];
  suspect: Suspect | undefined;
  log: string;
}

/** Tries a suspect by itself: memory that many cases took together, and a machine that was busy, are no findings. */
async function confirmed(
  suspect: Suspect,
  order: SessionOrder,
  folder: string,
  caseLimitMs: number,
): Promise<Finding[]> {
  const path = join(folder, 'suspect');
  writeFileSync(path, suspect.input);
  const alone = await runSession({ ...order, replay: [path], endCase: order.firstCase }, caseLimitMs);
  const findings = [...alone.findings];
  if (alone.suspect !== undefined) findings.push({ ...alone.suspect, stack: alone.log });
  return findings;
}

/** Runs one session to its end, or ends it when a case takes too long. */
async function runSession(order: SessionOrder, caseLimitMs: number): Promise<SessionEnd> {
  writeFileSync(order.currentPath, '');
  const script = fileURLToPath(new URL('./session.js', import.meta.url));
  const child = spawn(process.execPath, [...nodeOptions, script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // What a session that is ended leaves behind goes with our own folder.
    env: { ...process.env, TMPDIR: dirname(order.currentPath) },
  });
  const result: SessionEnd = { end: undefined, findings: [], suspect: undefined, log: '' };
  let isOverMemory = false;
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    const lines = (text + piece).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const said = JSON.parse(line) as SessionLine;
      if (said.kind === 'end') result.end = said;
      else if (said.kind === 'too much memory') isOverMemory = true;
      else if (result.findings.length < mostFindings) {
        result.findings.push({
          what: said.what,
          stack: said.stack,
          input: Buffer.from(said.input, 'base64'),
        });
      }
    }
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    result.log = (result.log + piece).slice(-4000);
  });

  let seen = '';
  let seenAt = Date.now();
  let isHung = false;
  const watch = setInterval(() => {
    const current = readCurrent(order.currentPath);
    const mark = current === undefined ? '' : `${current.caseNumber} ${current.input.length}`;
    if (mark !== seen) {
      seen = mark;
      seenAt = Date.now();
    } else if (mark !== '' && result.end === undefined && Date.now() - seenAt > caseLimitMs) {
      isHung = true;
      child.kill('SIGKILL');
    }
  }, watchMs);
  const how = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve(signal ?? `status ${status}`));
  });
  clearInterval(watch);

  if (result.end !== undefined) return result;
  const current = readCurrent(order.currentPath);
  if (current === undefined) return result;
  const died = result.findings.at(-1)?.what ?? `the process died (${how})`;
  const what = isHung ? 'a hang' : isOverMemory ? 'too much memory' : died;
  result.suspect = { ...current, what };
  return result;
}

/** The case under way. */
function readCurrent(path: string): { caseNumber: number; input: Buffer } | undefined {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(8);
    if (readSync(fd, head, 0, 8, 0) < 8) return undefined;
    const input = Buffer.alloc(head.readUInt32LE(4));
    readSync(fd, input, 0, input.length, 8);
    return { caseNumber: head.readUInt32LE(0), input };
  } finally {
    closeSync(fd);
  }
}

/** Keeps a finding's input in a folder; returns its path. */
export function keep({ input }: Finding, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, createHash('sha1').update(input).digest('hex').slice(0, 12));
  writeFileSync(path, input);
  return path;
}
