import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ArchiveLocation, archiveFolder, defaultBackupName } from './archive-folder.js';

const url = 'file:///srv/backup';
const location: ArchiveLocation = {
  archiveDir: undefined,
  name: undefined,
  targetUrl: url,
  environment: { FOO: 'bar' },
  homeDirectory: '/home/u',
};
const folder = (changes: Partial<ArchiveLocation> = {}) => archiveFolder({ ...location, ...changes });

describe('archiveFolder', () => {
  it('is named by the hash of the URL, byte for byte', () => {
    assert.equal(defaultBackupName(url), '018b63a28f536acd92d887ced9519d4d');
    assert.notEqual(defaultBackupName(`${url}/`), defaultBackupName(url));
    assert.equal(folder(), '/home/u/.cache/duplicity/018b63a28f536acd92d887ced9519d4d');
  });

  it('lies in the cache folder of the environment', () => {
    assert.equal(folder({ environment: { XDG_CACHE_HOME: '/c' }, name: 'n' }), '/c/duplicity/n');
  });

  it('joins --archive-dir and --name', () => {
    assert.equal(folder({ archiveDir: '/a', name: 'n' }), '/a/n');
    assert.equal(folder({ archiveDir: '/a/', name: 'n' }), '/a/n');
    assert.equal(folder({ archiveDir: 'rel', name: 'n' }), 'rel/n');
    assert.equal(folder({ archiveDir: '/a', name: '/abs' }), '/abs');
  });

  it('expands variables and the home folder', () => {
    assert.equal(folder({ archiveDir: '~/x', name: '$FOO' }), '/home/u/x/bar');
    assert.equal(folder({ archiveDir: ['/x/$', '{FOO}y'].join(''), name: '$NONE' }), '/x/bary/$NONE');
    assert.equal(folder({ archiveDir: '/x', name: '~' }), '/x/~');
  });
});
