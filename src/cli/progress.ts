import type { OperationEvent, ThawCounts } from '../base/events.js';
import { barText } from './render/bar.js';
import { type Transfer, transferRecord } from './render/transfer.js';
import type { Drawing, Terminal } from './terminal.js';

/** Where backups stop until the last file, the manifest, is sent. */
const almost = 0.99;
/** How much of the speed of the last tick goes into the speed that is told. */
const newestSpeedShare = 0.3;

/** Follows a run by its events. */
export class ProgressMeter {
  readonly #startedMs: number;
  readonly #stalledAfterMs: number;
  #doneBytes = 0;
  #changedBytes = 0;
  #estimatedBytes: number | undefined;
  /** Of the volumes on their way, and of those that have arrived. */
  #sendingBytes = 0;
  #sentBytes = 0;
  #fraction: number | undefined;
  #finished = false;
  #movedMs: number;
  #last: { atMs: number; doneBytes: number };
  #bytesPerSecond = 0;

  constructor(nowMs: number, stalledAfterMs: number) {
    this.#startedMs = this.#movedMs = nowMs;
    this.#last = { atMs: nowMs, doneBytes: 0 };
    this.#stalledAfterMs = stalledAfterMs;
  }

  event(event: OperationEvent, nowMs: number): void {
    switch (event.kind) {
      case 'estimate':
        this.#estimatedBytes = event.changedBytes;
        break;
      case 'progress':
        this.#changedBytes = event.changedBytes ?? 0;
        break;
      case 'upload':
        if (event.phase === 'begin') this.#sendingBytes += event.sizeBytes;
        break;
      case 'sent':
        this.#sentBytes += event.sizeBytes;
        this.#move(event.sizeBytes, nowMs);
        break;
      case 'volume':
        if (event.count === undefined) break;
        this.#fraction = event.number / event.count;
        this.#move(event.sizeBytes, nowMs);
        break;
      case 'finished':
        this.#finished = true;
        break;
    }
  }

  #move(sizeBytes: number, nowMs: number): void {
    this.#doneBytes += sizeBytes;
    this.#movedMs = nowMs;
  }

  /** How it stands now; asked for at every tick. */
  transfer(nowMs: number): Transfer {
    const { atMs, doneBytes } = this.#last;
    if (nowMs > atMs) {
      const speed = ((this.#doneBytes - doneBytes) * 1000) / (nowMs - atMs);
      const share = this.#bytesPerSecond === 0 ? 1 : newestSpeedShare;
      this.#bytesPerSecond = share * speed + (1 - share) * this.#bytesPerSecond;
      this.#last = { atMs: nowMs, doneBytes: this.#doneBytes };
    }
    const elapsedSeconds = (nowMs - this.#startedMs) / 1000;
    const fraction = this.#finished ? 1 : this.#estimate();
    return {
      doneBytes: this.#doneBytes,
      elapsedSeconds,
      fraction,
      secondsLeft:
        fraction === undefined || fraction === 0 ? undefined : (elapsedSeconds * (1 - fraction)) / fraction,
      bytesPerSecond: this.#bytesPerSecond,
      isStalled: !this.#finished && nowMs - this.#movedMs > this.#stalledAfterMs,
    };
  }

  /**
   * Of a backup the mean of how much was read and how much of that was sent: what is read waits for what is sent, but a
   * volume or two may lie between, which can be all there is. Never less than before.
   */
  #estimate(): number | undefined {
    if (this.#estimatedBytes === undefined) return this.#fraction;
    const read = this.#estimatedBytes === 0 ? 1 : Math.min(1, this.#changedBytes / this.#estimatedBytes);
    const sent = this.#sendingBytes === 0 ? 0 : this.#sentBytes / this.#sendingBytes;
    this.#fraction = Math.max(this.#fraction ?? 0, Math.min(almost, (read * (1 + sent)) / 2));
    return this.#fraction;
  }
}

const barTickMs = 500;
const usualRateSeconds = 3;
const leastStallSeconds = 5;
const noticeLevel = 3;

export interface ProgressOptions {
  /** `--progress`: tell every `rateSeconds`, also where there is no terminal. */
  isAsked: boolean;
  rateSeconds: number | undefined;
  /** Nothing may be drawn. */
  isForbidden: boolean;
}

/**
 * Tells how far a run is: on a terminal in one line at the bottom, on standard error; elsewhere, if asked to, as a line
 * every few seconds. Programs are told then too. Ends with `setDrawing(undefined)`.
 */
export function showProgress(terminal: Terminal, options: ProgressOptions): void {
  const draws = process.stderr.isTTY === true && terminal.verbosity >= noticeLevel && !options.isForbidden;
  if (!draws && !options.isAsked) return;
  const rateSeconds = options.rateSeconds ?? usualRateSeconds;
  const meter = new ProgressMeter(Date.now(), Math.max(leastStallSeconds, 2 * rateSeconds) * 1000);
  // Before the first event somebody may be typing a passphrase.
  let isBegun = false;
  let isDrawn = false;
  let thaw: ThawCounts | undefined;
  const drawing: Drawing = {
    erase: () => {
      if (isDrawn) process.stderr.write('\r\x1b[2K');
      isDrawn = false;
    },
    event: (event) => {
      isBegun = true;
      meter.event(event, Date.now());
      if (event.kind === 'thaw') thaw = event;
      if (event.kind === 'finished' && options.isAsked) tell();
    },
    end: () => {
      drawing.erase();
      for (const timer of timers) clearInterval(timer);
    },
  };
  const draw = () => {
    if (!isBegun) return;
    drawing.erase();
    const columns = Math.max(1, (process.stderr.columns || 80) - 1);
    process.stderr.write(barText(meter.transfer(Date.now()), columns, thaw && thawText(thaw)));
    isDrawn = true;
  };
  const tell = () => terminal.tell({ ...transferRecord(meter.transfer(Date.now())), isDrawn: draws });
  const timers: NodeJS.Timeout[] = [];
  if (draws) timers.push(setInterval(draw, barTickMs));
  if (options.isAsked) timers.push(setInterval(tell, rateSeconds * 1000));
  for (const timer of timers) timer.unref();
  terminal.setDrawing(drawing);
}

/** What is waited for from cold storage; nothing once all of it is there. */
function thawText({ states }: ThawCounts): string {
  const count = states.sealed.objects + states.thawing.objects + states.ready.objects;
  return states.ready.objects === count ? '' : `${states.ready.objects} of ${count} volumes thawed`;
}
