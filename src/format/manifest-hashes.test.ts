import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyOfSlashPath } from '../base/path-key.js';
import {
  formatFileListEntry,
  formatFileListHeader,
  formatManifestHeader,
  formatVolumeRecord,
  ManifestParser,
} from './manifest.js';
import { withHashes } from './manifest-hashes.js';

async function* inPieces(text: string, pieceBytes: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function edited(text: string, sha1: ReadonlyMap<number, string>, pieceBytes = 7): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of withHashes(inPieces(text, pieceBytes), sha1)) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

function parsed(text: string) {
  const files: string[] = [];
  const parser = new ManifestParser({ onFile: (change, key) => files.push(`${change} ${key}`) });
  parser.update(Buffer.from(text, 'latin1'));
  return { ...parser.finish(), files };
}

const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
const path = fc
  .array(
    fc
      .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 })
      .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x2f)).toString('latin1')),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) =>
    keyOfSlashPath(parts.filter((part) => part !== '' && part !== '.' && part !== '..').join('/')),
  );

describe('withHashes', () => {
  it('changes the hashes of some volumes and nothing else', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ startKey: path, endKey: path, hash: fc.option(hex), other: fc.option(hex) }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.array(path, { maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        async (records, files, pieceBytes) => {
          const volumes = records.map(({ startKey, endKey, hash }, index) => ({
            number: index + 1,
            startKey,
            startBlock: index === 0 ? undefined : 3,
            endKey,
            endBlock: undefined,
            hashes: hash === null ? [] : [{ algorithm: 'SHA1', hex: hash }],
          }));
          const text = [
            formatManifestHeader({ hostname: 'here', localDir: '/home/\xe9 x' }),
            ...volumes.map(formatVolumeRecord),
            formatFileListHeader(files.length),
            ...files.map((key) => formatFileListEntry('new', key)),
          ].join('');
          const sha1 = new Map(records.flatMap(({ other }, index) => (other ? [[index + 1, other]] : [])));
          const result = await edited(text, sha1, pieceBytes);
          const before = parsed(text);
          assert.deepEqual(parsed(result), {
            ...before,
            volumes: before.volumes.map((volume) => {
              const other = sha1.get(volume.number);
              return other === undefined
                ? volume
                : { ...volume, hashes: [{ algorithm: 'SHA1', hex: other }] };
            }),
          });
          if (sha1.size === 0) assert.equal(result, text);
        },
      ),
      { numRuns: 100 },
    ));

  it('keeps what it does not know, leaves out other kinds of hashes, and ends a last line', async () => {
    const text = [
      'Future field\n\nVolume 1:\n    StartingPath   a  \n    hash MD5 00\n    EndingPath     b  \n',
      '    Size 7\n    Hash SHA1 11\nVolume 2:\n    StartingPath   b  \n    EndingPath     c  \n    Hash MD5 22\n',
      'Filelist 2\n    new      hash\n    changed  EndingPath',
    ].join('');
    assert.equal(
      await edited(text, new Map([[1, 'ff']])),
      [
        'Future field\n\nVolume 1:\n    StartingPath   a  \n    EndingPath     b  \n    Hash SHA1 ff\n',
        '    Size 7\nVolume 2:\n    StartingPath   b  \n    EndingPath     c  \n    Hash MD5 22\n',
        'Filelist 2\n    new      hash\n    changed  EndingPath\n',
      ].join(''),
    );
  });
});
