import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { PieceReader, piecesOf, type SkippingReader } from '../byte-reader.js';
import { FileReader } from '../file-reader.js';
import { notIntact, wrongPassphrase } from '../refusals.js';
import { beginning, pooled, type Unpacking } from '../unpacking.js';
import { type ContentKind, contentBytes, contentKind, namedDamage } from './content.js';
import { protectedData, protectedDataFrom, unprotectedData } from './data.js';
import { type MessageHead, readHead, withoutContent } from './head.js';
import { bodyFromPart } from './packets.js';
import { PassphraseKeys } from './s2k.js';
import { fitsPrefix, type SessionKey, unlock } from './session-keys.js';

/** Messages up to this size are decrypted once and held; larger ones are decrypted a second time to be read. */
const HELD_BYTES = 8 * 1024 * 1024;

/** Read at once of the packets before the data, which mostly take less. */
const HEAD_BYTES = 4096;

/** What is known of a message before it is opened: nothing; that it is what was stored, by its hash; that it is whole. */
export type Known = 'nothing' | 'stored' | 'whole';

/** What opens a message: a passphrase, or its very session key. */
export type MessageKeys = PassphraseKeys | SessionKey;

/** A message that was opened. */
export interface OpenMessage {
  /** The plaintext. Errors: TundraError `encryption`. */
  bytes: ByteStream;
  kind: ContentKind;
  isProtected: boolean;
}

/** A message that the library cannot open. */
export interface ClosedMessage {
  /** What is missing: `the cipher CAST5`, `a public key`; undefined where it is nothing but a passphrase. */
  beyond: string | undefined;
  isProtected: boolean;
  /** What gpg needs to take out the session key, with which the library opens the message; undefined where it cannot. */
  wrappedKey?: Uint8Array | undefined;
}

/**
 * Opens a message. Where it is protected, and nothing is known of it, the whole of it was checked before
 * this returns; of one that is known as stored the bytes end with an error where the check fails.
 * Errors: TundraError `encryption`.
 * @param keys undefined where there is no passphrase
 */
export async function openMessage(
  path: string,
  name: string,
  keys: MessageKeys | undefined,
  known: Known = 'nothing',
): Promise<OpenMessage | ClosedMessage> {
  const head = await withHead(path, name, (head) => ({
    isProtected: head.isProtected,
    ways: waysIn(head, keys),
    wrappedKey: withoutContent(head),
  }));
  if (head === undefined) return { beyond: 'ASCII armor', isProtected: true };
  const { isProtected, ways, wrappedKey } = head;
  if (ways.beyond !== undefined || keys === undefined)
    return { beyond: ways.beyond, isProtected, wrappedKey };
  if (ways.fitting.length === 0) throw wrongPassphrase(name);

  // More than one key fits by chance only: what the last of them fails at is what is wrong with the message.
  let failure: unknown;
  for (const key of ways.fitting) {
    try {
      const { kind, bytes } = await openWith(path, key, isProtected ? known : 'stored');
      if (isProtected && known === 'nothing' && keys instanceof PassphraseKeys)
        keys.proven = key.s2k ?? keys.proven;
      return { kind, bytes: namingDamage(name, bytes), isProtected };
    } catch (error) {
      failure = error;
    }
  }
  throw named(name, failure);
}

/**
 * Checks all of a protected message that the keys open. False where there is nothing to check, or no key for it: opening
 * it tells why. Error: TundraError `encryption`.
 * @param check does the work: `checkData` here or elsewhere
 */
export async function checkMessage(
  path: string,
  name: string,
  keys: MessageKeys | undefined,
  check = checkData,
): Promise<boolean> {
  const key = keys && (await onlyKey(path, name, keys));
  if (key === undefined) return false;
  try {
    await check(path, key);
  } catch (error) {
    throw named(name, error);
  }
  return true;
}

/** The key of a protected message, where it is the only one that fits. */
async function onlyKey(path: string, name: string, keys: MessageKeys): Promise<SessionKey | undefined> {
  return withHead(path, name, (head) => {
    const { fitting } = waysIn(head, keys);
    return head.isProtected && fitting.length === 1 ? fitting[0] : undefined;
  });
}

/** Decrypts the data of a protected message for nothing but its integrity check. Error: TundraError `format`. */
export async function checkData(path: string, key: SessionKey): Promise<void> {
  for await (const _ of dataOf(path, key, pooled));
}

/**
 * The key of a protected message that holds a file and no signature: with it `messageBytes` reads it. Undefined where
 * `openMessage` has more to tell. Nothing but its first bytes is looked at.
 */
export async function fileKey(
  path: string,
  name: string,
  keys: MessageKeys,
): Promise<SessionKey | undefined> {
  const key = await onlyKey(path, name, keys);
  if (key === undefined) return undefined;
  try {
    return (await contentKind(dataOf(path, key, beginning), beginning)) === 'file' ? key : undefined;
  } catch (error) {
    throw named(name, error);
  }
}

/** The file in a protected message. Errors: TundraError `encryption`, at the end where its integrity check fails. */
export function messageBytes(
  path: string,
  name: string,
  key: SessionKey,
  isWhole: boolean,
  unpacking: Unpacking,
): ByteStream {
  return namingDamage(name, contentBytes(dataOf(path, key, unpacking, isWhole), unpacking));
}

/**
 * The file in a protected message that `PassphraseWriter` wrote, from one of its access points on. Nothing checks it: its
 * hash must have been compared.
 */
export async function* messageBytesFrom(
  accessPoint: number,
  source: SkippingReader,
  name: string,
  key: SessionKey,
  { inflate, pieceBytes, leastBytes, cipherBytes }: Unpacking,
): ByteStream {
  try {
    const { body } = await readHead(source);
    const packed = new PieceReader(protectedDataFrom(accessPoint, body, source, key, cipherBytes));
    const plain = new PieceReader(inflate(packed, 'raw'));
    try {
      yield* piecesOf(bodyFromPart(plain), pieceBytes, leastBytes);
    } finally {
      await plain.close();
      await packed.close();
    }
  } catch (error) {
    throw named(name, namedDamage(error));
  }
}

/** What gpg needs to take out the session key of a message that none of the keys opens; undefined where it cannot help
 *  the library so. Errors: TundraError `encryption`. */
export async function wrappedKeyOf(
  path: string,
  name: string,
  keys: MessageKeys | undefined,
): Promise<Uint8Array | undefined> {
  return withHead(path, name, (head) => {
    const wrappedKey = withoutContent(head);
    return wrappedKey && waysIn(head, keys).fitting.length === 0 ? wrappedKey : undefined;
  });
}

/** Whether the keys fit, by the first bytes of the file; undefined where the library cannot tell. A wrong one fits by
 *  chance, 1 in 65,536. Errors: TundraError `encryption`. */
export async function keysFit(
  path: string,
  name: string,
  keys: PassphraseKeys,
): Promise<boolean | undefined> {
  return withHead(path, name, (head) => {
    const { beyond, fitting } = waysIn(head, keys);
    return beyond === undefined ? fitting.length > 0 : undefined;
  });
}

interface WaysIn {
  fitting: SessionKey[];
  beyond: string | undefined;
}

function waysIn(head: MessageHead, keys: MessageKeys | undefined): WaysIn {
  if (head.beyond !== undefined) return { fitting: [], beyond: head.beyond };
  const fitting: SessionKey[] = [];
  let beyond = head.otherWays[0];
  if (keys !== undefined && !(keys instanceof PassphraseKeys)) {
    if (fitsPrefix(keys, head.prefix)) fitting.push(keys);
  } else if (keys !== undefined) {
    for (const slot of head.slots) {
      const key = unlock(slot, keys);
      if (typeof key === 'string') beyond ??= key;
      else if (key !== undefined && fitsPrefix(key, head.prefix)) fitting.push(key);
    }
  }
  return fitting.length > 0 ? { fitting, beyond: undefined } : { fitting, beyond };
}

const ARMOR = '-----BEGIN PGP MESSAGE';

/** Runs `look` over the packets before the data; undefined for what is in ASCII armor. */
async function withHead<T>(
  path: string,
  name: string,
  look: (head: MessageHead) => T,
): Promise<T | undefined> {
  const file = new FileReader(path, HEAD_BYTES);
  try {
    const start = (await file.next()) ?? new Uint8Array(0);
    if (Buffer.from(start.subarray(0, ARMOR.length)).toString('latin1') === ARMOR) return undefined;
    return look(await readHead(new PieceReader(allOf(start, file))));
  } catch (error) {
    throw named(name, error);
  } finally {
    file.close();
  }
}

/** The piece that was taken from a reader, and what follows it: mostly nothing, but a hostile message can have much before
 *  its data, and meanwhile others want their turn. */
async function* allOf(start: Uint8Array, reader: FileReader): ByteStream {
  yield start;
  for (let piece = await reader.next(); piece !== undefined; piece = await reader.next()) {
    yield piece;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function openWith(
  path: string,
  key: SessionKey,
  known: Known,
): Promise<{ kind: ContentKind; bytes: ByteStream }> {
  const held = known === 'nothing' ? await checkedData(path, key) : undefined;
  // What was just checked may be another file now.
  const packets = (unpacking: Unpacking) =>
    held === undefined ? dataOf(path, key, unpacking, known === 'whole') : streamOf(held);
  const kind = await contentKind(packets(beginning), beginning);
  return { kind, bytes: contentBytes(packets(pooled), pooled) };
}

/** Checks all of the protected data, and returns it if it is small. */
async function checkedData(path: string, key: SessionKey): Promise<Uint8Array[] | undefined> {
  let held: Uint8Array[] | undefined = [];
  let sizeBytes = 0;
  for await (const piece of dataOf(path, key, pooled)) {
    sizeBytes += piece.length;
    if (sizeBytes > HELD_BYTES) held = undefined;
    held?.push(piece);
  }
  return held;
}

/** The decrypted packets of the message. */
async function* dataOf(
  path: string,
  key: SessionKey,
  { fileBytes, cipherBytes }: Unpacking,
  isWhole = false,
): ByteStream {
  const file = new PieceReader(fileBytes(path));
  try {
    const { prefix, body, isProtected } = await readHead(file);
    yield* isProtected
      ? protectedData(prefix, body, key, cipherBytes, isWhole)
      : unprotectedData(prefix, body, key, cipherBytes);
  } finally {
    await file.close();
  }
}

async function* streamOf(pieces: Uint8Array[]): ByteStream {
  yield* pieces;
}

async function* namingDamage(name: string, bytes: ByteStream): ByteStream {
  try {
    yield* bytes;
  } catch (error) {
    throw named(name, error);
  }
}

function named(name: string, error: unknown): unknown {
  return error instanceof TundraError && error.code === 'format' ? notIntact(name, error) : error;
}
