import type { ByteStream } from '../base/bytes.js';
import type { SessionKey } from './library/session-keys.js';
import type { ReadableFile } from './unpacked-here.js';

/** Receives sealed bytes in order. A promise asks the writer to wait. The piece is the receiver's, and so
 *  is its buffer if it fills it. */
export type SealOutput = (piece: Uint8Array) => void | Promise<void>;

/**
 * One file being sealed (compressed, encrypted). Heavy work runs in parallel behind it; what comes out is in order.
 * After an error from any method only `abort` may be called.
 */
export interface SealWriter {
  /** Takes plaintext (and copies it). Returns a promise when too much is in flight: wait for it before going on. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Sealed bytes handed to the output so far. */
  readonly bytesOut: number;
  /** Upper bound for the sealed bytes that `finish` would still add to `bytesOut`. */
  readonly bytesPending: number;
  /** Pushes everything written so far through to the output, so that `bytesPending` shrinks to the trailer. Costs a
   *  little compression: for the end of a volume only. The gpg program cannot be pushed: what it and the pipes may
   *  hold (about 670 KiB, less where data does not compress) stays pending. */
  settle(): Promise<void>;
  /**
   * Makes what is written next readable without what stands before it, if this kind of file can be read so: an access
   * point. Costs as much as `settle`, but waits for nothing that is under way.
   */
  beginAccessPoint(): Promise<void>;
  /** Where the access points came to lie, in their order: for `Opener.readable`. Complete once the file has ended. */
  readonly accessPoints: readonly number[];
  /** Ends the file. */
  finish(): Promise<void>;
  /** Gives the file up and frees what it holds; no more output. */
  abort(): Promise<void>;
}

/** A sealed file that was opened. */
export interface OpenedFile {
  /** The plaintext, to be iterated once: to its end, or left with `break`; that frees what it holds. Nothing of it is
   *  let out before the integrity of the whole message holds, where the message has an integrity check, unless the
   *  file was found to be what was stored already. */
  bytes: ByteStream;
  /** Fingerprint of the key that made a good signature over the file; undefined if there is none. Where a subkey
   *  signed, and the settings name its primary key as the one to sign with, the primary key's. */
  signedBy: string | undefined;
}

/**
 * How files are sealed for the storage. `open` is the inverse of `seal` for everything duplicity and gpg may have
 * written, whatever settings this run writes with.
 */
export interface Cipher {
  /** Marks in file names: `encrypted` is `.gpg`, `compressed` is `.gz`; never both. */
  readonly encrypted: boolean;
  readonly compressed: boolean;
  seal(output: SealOutput): SealWriter;
}

/** What a file's name says of its sealing. */
export interface FileSealing {
  encrypted: boolean;
  compressed: boolean;
}

/** A file that was found to be what was stored. */
export interface CheckedFile {
  /** Its inode, size and times then: it holds for the very same file alone. */
  stamp: string;
  /** Whether its own integrity check was made. Where only its hash was compared, that check is made while it is read. */
  isWhole: boolean;
  /** Its session key, where that took a secret key to get at. */
  key?: SessionKey | undefined;
}

/** Opens sealed files from the local disk. Errors: TundraError `encryption` (status 31), `format` for a gzip file that
 *  is damaged. */
export interface Opener {
  /**
   * @param path file on the local disk
   * @param sealing what its name says of it
   * @param name what messages call it
   * @param checked what `check` said of the file, or a hash: if that still stands, it is not checked before it is read
   */
  open(path: string, sealing: FileSealing, name: string, checked?: CheckedFile): Promise<OpenedFile>;
  /**
   * What a thread needs to open a file by itself (`unpackedHere`), if it can, and what is known of it is enough to let
   * its plaintext out as it comes; undefined where `open` must be asked.
   * @param accessPoint where to begin, as the writer told; from there on nothing but the file's hash says that it is whole
   */
  readable(
    path: string,
    sealing: FileSealing,
    name: string,
    checked: CheckedFile | undefined,
    accessPoint?: number,
  ): Promise<ReadableFile | undefined>;
  /**
   * Checks the integrity of a file ahead of its opening, maybe in another thread. Undefined where that cannot be told
   * apart from opening it.
   * @param isStored whether its hash tells, or will have told by the time it is opened, that it is what was stored: then
   *   it is not read for this, unless it is to a public key
   * @param onStamped called when the file's stamp was taken, before it is read; maybe not at all
   */
  check(
    path: string,
    sealing: FileSealing,
    name: string,
    isStored?: boolean,
    onStamped?: () => void,
  ): Promise<CheckedFile | undefined>;
  /**
   * Whether the passphrase fits an encrypted file, by its first bytes alone: a wrong one does by chance, 1 in 65,536.
   * Undefined where only the gpg program could tell, or where there is no passphrase.
   * Errors: TundraError `encryption` where the file is not encrypted.
   */
  checkKey(path: string, name: string): Promise<boolean | undefined>;
}
