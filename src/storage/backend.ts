import type { ByteStream } from '../base/bytes.js';

/** One stored object, as a listing shows it. */
export interface StoredObject {
  name: string;
  sizeBytes: number;
}

/** What is to be stored. It can be opened again for a retry or for a second store. */
export interface PutSource {
  sizeBytes: number;
  /** Opens the bytes from the start. */
  open(): ByteStream;
  /**
   * Where the same bytes lie on the local disk, if they do, as Node's file functions take a path. Read only: the caller
   * keeps the file.
   */
  localPath?: string | undefined;
  /** Whether nobody writes that file any more, and it goes once it is stored: then it may become the object itself. */
  isSpare?: boolean | undefined;
}

/** What a storage guarantees, so that callers need not guess. */
export interface BackendPromises {
  /** An object appears whole under its name or not at all, also when the process is killed in the middle. */
  atomicPut: boolean;
  /** A listing made after a put has ended shows the object. */
  consistentList: boolean;
}

/** How an object in cold storage stands: it must be asked for, was asked for and is on its way, or can be read. */
export type ThawState = 'sealed' | 'thawing' | 'ready';

/** One object in cold storage. */
export interface ColdObject extends StoredObject {
  state: ThawState;
  /** The class of storage, which decides what a thaw takes and costs: `pca`, `cold+file`. */
  storageClass: string;
  /** The store that holds it, for people, without secrets. Objects of one store are listed in one request. */
  store: string;
  /** While it thaws: when it can be read, in milliseconds since the epoch, if the storage tells. */
  readyAtMs?: number | undefined;
  /** Once it is ready: until when, if the storage tells. */
  readyUntilMs?: number | undefined;
}

/**
 * What a storage can do that must be asked before it gives an object back. In such a storage `get` of an object that is
 * not ready fails with `backend-sealed`, and may count as asking for it; no other call of `StorageBackend` waits for a thaw or
 * asks for one.
 */
export interface ColdStorage {
  /** How all objects stand, in one listing for each store. Objects that are not in cold storage are left out. */
  survey(): Promise<ColdObject[]>;
  /**
   * Asks for objects, and tells how they stand now. Those asked for before are no error and are not asked for twice.
   * An absent one is `backend-not-found`.
   */
  thaw(names: readonly string[]): Promise<ColdObject[]>;
}

/**
 * Flat storage of named objects. A name is a byte string without `/` and NUL, not empty, `.` or `..`. Names that are
 * written are ASCII; a listing can hold others, which somebody else put there.
 *
 * Errors are TundraError with a `backend…` or `connection` code, name the object, and say by `retry` whether trying
 * again can help. An absent object is `undefined` from `stat`, and `backend-not-found` from `get`. An error of a
 * source that is being stored comes out unchanged.
 *
 * Optional members are capabilities: a wrapper has one only if what it wraps has it.
 */
export interface StorageBackend {
  /** Address for people, without secrets. */
  readonly description: string;
  readonly promises: BackendPromises;
  /** Stores an object, replacing one of that name. */
  put(name: string, source: PutSource): Promise<void>;
  /**
   * Opens an object; fails before the first piece if it is not there. The stream can be read once; nothing has to be
   * cleaned up if it is not read, and leaving it early closes it.
   */
  get(name: string): Promise<ByteStream>;
  /** All objects, in no particular order. */
  list(): Promise<StoredObject[]>;
  /** The object's size, or undefined if there is no such object. */
  stat(name: string): Promise<StoredObject | undefined>;
  /** Removes objects; those that are not there are no error. */
  remove(names: readonly string[]): Promise<void>;
  close(): Promise<void>;
  /**
   * Where the object lies on the local disk, for storages that are folders: it can be read in place. Undefined if it is
   * not there.
   */
  localPathOf?(name: string): string | undefined;
  /** Only where objects may have to be asked for. */
  readonly cold?: ColdStorage;
}
