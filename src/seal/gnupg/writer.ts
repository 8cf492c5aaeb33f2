import { setTimeout as delay } from 'node:timers/promises';
import type { TundraError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { SealOutput, SealWriter } from '../cipher.js';
import { PieceGatherer } from '../piece-gatherer.js';
import { sealFailure } from './failures.js';
import type { Gnupg, GnupgRun } from './program.js';
import type { GnupgReport } from './status.js';

/** What is written goes to gpg in pieces of this size. */
const PIECE_BYTES = 64 * 1024;

/**
 * Most that can be on the way after it left us: the pipes to and from gpg (socket pairs of 208 KiB on Linux, other
 * systems have less), what gpg itself holds back to compress and to frame, and what was read from it while ours waits.
 */
const UNDERWAY_BYTES = 2 * 208 * 1024 + 128 * 1024 + 128 * 1024;

/** Signature, integrity check, and the rest that does not grow with the number of recipients. */
const FRAME_BYTES = 4096;
/** Session key packet for an RSA key of 8192 bits. */
const RECIPIENT_BYTES = 1100;

/** For whom gpg encrypts, and who signs. Without a key to encrypt to, the passphrase encrypts. */
export interface SealingKeys {
  encryptKeys: readonly string[];
  hiddenEncryptKeys: readonly string[];
  signKey?: string | undefined;
  /** Opens the signing key, or encrypts, or both. */
  passphrase?: Secret | undefined;
}

/** Has the gpg program compress, sign and encrypt one file. It is started by the first byte. */
export class GnupgWriter implements SealWriter {
  readonly #output: SealOutput;
  readonly #gnupg: Gnupg;
  readonly #keys: SealingKeys;
  readonly #pieces = new PieceGatherer(PIECE_BYTES, (piece) => this.#send(piece));
  /** Plaintext bytes that were handed to gpg. */
  #sentBytes = 0;
  #starting: Promise<GnupgRun> | undefined;
  #run: GnupgRun | undefined;
  /** gpg took the last piece that was sent, or is gone. */
  #taken = Promise.resolve();
  /** It went without taking everything. */
  #isBroken = false;
  /** All of gpg's output reached ours, or the first error on the way. */
  #delivered: Promise<void> | undefined;
  #state: 'open' | 'ended' | 'aborted' = 'open';
  bytesOut = 0;
  /** gpg begins nothing anew in the middle. */
  readonly accessPoints: readonly number[] = [];

  constructor(output: SealOutput, gnupg: Gnupg, keys: SealingKeys) {
    this.#output = output;
    this.#gnupg = gnupg;
    this.#keys = keys;
  }

  async beginAccessPoint(): Promise<void> {}

  get bytesPending(): number {
    if (this.#state !== 'open') return 0;
    const { encryptKeys, hiddenEncryptKeys } = this.#keys;
    const frameBytes = FRAME_BYTES + RECIPIENT_BYTES * (encryptKeys.length + hiddenEncryptKeys.length);
    const waitingBytes = this.#pieces.filledBytes + (this.#run?.stdin?.writableLength ?? 0);
    // Nothing comes out that did not go in, but for a few bytes in each KiB.
    const mostBytes = Math.max(0, this.#sentBytes + (this.#sentBytes >> 10) - this.bytesOut);
    return waitingBytes + Math.min(mostBytes, UNDERWAY_BYTES) + frameBytes;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#pieces.write(bytes);
  }

  /** gpg cannot be told to let go of what it holds: waits while it goes on by itself. */
  async settle(): Promise<void> {
    await this.#pieces.flush();
    if (this.#run !== undefined) await this.#drain(this.#run);
    for (let before = Number.POSITIVE_INFINITY; this.bytesPending < before; ) {
      before = this.bytesPending;
      await delay(10);
    }
  }

  async finish(): Promise<void> {
    await this.#pieces.flush();
    await this.#start();
    const run = this.#run!;
    run.stdin!.end();
    const report = await run.ended;
    await this.#delivered;
    if (report.exitStatus !== 0 || this.#isBroken) throw this.#failure(report);
    this.#state = 'ended';
  }

  async abort(): Promise<void> {
    this.#state = 'aborted';
    const run = await this.#starting?.catch(() => undefined);
    run?.kill();
    run?.stdout.destroy();
    await run?.ended.catch(() => {});
  }

  /** Hands a piece to gpg; returns a promise when gpg is not keeping up, or not there yet. */
  #send(piece: Uint8Array): Promise<void> | undefined {
    const run = this.#run;
    if (run === undefined) return this.#start().then(() => this.#send(piece));
    this.#sentBytes += piece.length;
    let keepsUp = false;
    this.#taken = new Promise((resolve) => {
      keepsUp = run.stdin!.write(piece, (error) => {
        this.#isBroken ||= error != null;
        resolve();
      });
    });
    return keepsUp ? undefined : this.#drain(run);
  }

  async #start(): Promise<void> {
    this.#starting ??= this.#gnupg.run(sealCommands(this.#keys), { passphrase: this.#keys.passphrase });
    const run = await this.#starting;
    this.#delivered ??= this.#deliver(run);
    this.#delivered.catch(() => {});
    this.#run = run;
  }

  async #deliver(run: GnupgRun): Promise<void> {
    try {
      for await (const piece of run.stdout as AsyncIterable<Buffer>) {
        if (this.#state === 'aborted') return;
        this.bytesOut += piece.length;
        await this.#output(piece);
      }
    } catch (error) {
      run.kill();
      throw error;
    }
  }

  /** Waits until gpg took what was sent. Throws when it is gone, or our output failed. */
  async #drain(run: GnupgRun): Promise<void> {
    await this.#taken;
    if (!this.#isBroken) return;
    const report = await run.ended;
    await this.#delivered;
    throw this.#failure(report);
  }

  #failure(report: GnupgReport): TundraError {
    return sealFailure(report, this.#keys.passphrase !== undefined);
  }
}

function sealCommands(keys: SealingKeys): string[] {
  // Unlike `--default-key`, which falls back to another key in silence, `--local-user` means this one.
  const commands = keys.signKey === undefined ? [] : ['--local-user', keys.signKey, '--sign'];
  for (const key of keys.encryptKeys) commands.push('--recipient', key);
  for (const key of keys.hiddenEncryptKeys) commands.push('--hidden-recipient', key);
  const isToKeys = keys.encryptKeys.length + keys.hiddenEncryptKeys.length > 0;
  return isToKeys ? [...commands, '--encrypt'] : [...commands, '--force-mdc', '--symmetric'];
}
