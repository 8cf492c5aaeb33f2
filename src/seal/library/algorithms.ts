/**
 * Algorithm numbers of OpenPGP (RFC 4880, section 9). What has a name only is recognised, so that messages can say it,
 * and left to the gpg program.
 */

export interface CipherAlgorithm {
  name: string;
  keyBytes: number;
  /** The block cipher in node's words; undefined where only the gpg program can do it. */
  blockCipher?: string;
}

export const AES256 = 9;

export const ciphers: Readonly<Record<number, CipherAlgorithm>> = {
  1: { name: 'IDEA', keyBytes: 16 },
  2: { name: '3DES', keyBytes: 24 },
  3: { name: 'CAST5', keyBytes: 16 },
  4: { name: 'Blowfish', keyBytes: 16 },
  7: { name: 'AES-128', keyBytes: 16, blockCipher: 'aes-128-ecb' },
  8: { name: 'AES-192', keyBytes: 24, blockCipher: 'aes-192-ecb' },
  [AES256]: { name: 'AES-256', keyBytes: 32, blockCipher: 'aes-256-ecb' },
  10: { name: 'Twofish', keyBytes: 32 },
  11: { name: 'Camellia-128', keyBytes: 16 },
  12: { name: 'Camellia-192', keyBytes: 24 },
  13: { name: 'Camellia-256', keyBytes: 32 },
};

export const SHA256 = 8;

/** Hashes in node's words. */
export const hashes: Readonly<Record<number, string>> = {
  1: 'md5',
  2: 'sha1',
  3: 'ripemd160',
  [SHA256]: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
};

export const compression = { none: 0, zip: 1, zlib: 2, bzip2: 3 } as const;
