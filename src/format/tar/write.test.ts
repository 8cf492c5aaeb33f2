import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { askPeer } from '../../../test/golden/peer.js';
import { headerOf, readTar, type TarEntry, tarEntry, tarOf } from '../../../test/golden/tar-sample.js';
import { needs } from '../../../test/peers.js';
import { field, type TarHeader } from './header.js';
import { formatRecords, isVendorKey, xattrKey } from './records.js';
import { tarHeaderBytes, writeTarHeader } from './write.js';

test('a plain header is one block, byte for byte', () => {
  const header = headerOf({
    name: 'snapshot/a\xff',
    mode: 0o4755,
    uid: 1000,
    gid: 100,
    uname: 'me',
    gname: 'users',
    mtimeSeconds: 0o14712345670,
    sizeBytes: 0o1234,
  });
  const block = Buffer.alloc(514, 0xee);
  assert.equal(writeTarHeader(header, block, 1), 512);
  const expected = Buffer.alloc(512);
  const put = (at: number, text: string) => expected.write(text, at, 'latin1');
  put(field.name, 'snapshot/a\xff');
  put(field.mode, '0004755\x000001750\x000000144\x0000000001234\x0014712345670\0');
  put(field.type, '0');
  put(field.magic, 'ustar  \0me');
  put(field.gname, 'users');
  const sum = expected.reduce((sum, byte) => sum + byte, 8 * 0x20);
  put(field.checksum, `${sum.toString(8).padStart(6, '0')}\0 `);
  assert.deepEqual(block.subarray(1, 513), expected);
  assert.equal(block[0], 0xee);
  assert.equal(block[513], 0xee);
});

test('a header takes the room it says, and more only for what does not fit', () => {
  const sizes: [Partial<TarHeader>, number][] = [
    [{ name: 'n'.repeat(100) }, 512],
    [{ name: 'n'.repeat(101) }, 1536],
    [{ name: 'n'.repeat(511) }, 1536],
    [{ name: 'n'.repeat(512) }, 2048],
    [{ type: 'symlink', linkTarget: 't'.repeat(100) }, 512],
    [{ type: 'symlink', linkTarget: 't'.repeat(101), name: 'n'.repeat(101) }, 2560],
    [{ uid: 2 ** 32 - 1, gid: 2097152, mtimeSeconds: 2 ** 40, sizeBytes: 2 ** 45 }, 512],
    [{ uname: 'u'.repeat(31) }, 512],
    [{ uname: 'u'.repeat(32) }, 1536],
  ];
  for (const [values, size] of sizes) {
    const header = headerOf(values);
    assert.equal(tarHeaderBytes(header), size);
    assert.equal(writeTarHeader(header, Buffer.alloc(size), 0), size);
  }
});

test('a time before 1970 becomes 0', async () => {
  const header = headerOf({ mtimeSeconds: -5 });
  const [entry] = await readTar(tarOf([{ header, body: Buffer.alloc(0) }]));
  assert.equal(entry!.header.mtimeSeconds, 0);
});

/** Names at the borders of fields and blocks, and such that programs stumble over. */
function oddEntries(): TarEntry[] {
  const names = [1, 99, 100, 101, 102, 155, 156, 255, 256, 257, 510, 511, 512, 513, 999, 1000].map((length) =>
    'n'.repeat(length),
  );
  names.push(
    'not utf-8 \xff\xfe',
    `${'\xfd'.repeat(120)}end`,
    'new\nline',
    'back\\slash',
    ' spaces  ',
    '\t',
    '"\'',
  );
  names.push(
    `${'s'.repeat(99)} `,
    `${'s'.repeat(100)} `,
    '\xc3\xa4',
    './@LongLink',
    '././@LongLink',
    '\x01\x7f\x80',
  );
  const body = Buffer.from('body\0');
  const files = names.map((name) => ({ header: headerOf({ name, sizeBytes: body.length }), body }));
  const others: Partial<TarHeader>[] = [
    { type: 'directory', name: 'dir/' },
    { type: 'directory', name: `${'d'.repeat(99)}/` },
    { type: 'directory', name: `${'d'.repeat(100)}/` },
    { type: 'symlink', name: 'l1', linkTarget: 't'.repeat(100) },
    { type: 'symlink', name: 'l2', linkTarget: 't'.repeat(101) },
    { type: 'symlink', name: 'l'.repeat(300), linkTarget: '\xff\n \\'.repeat(250) },
    { type: 'fifo', name: 'fifo', mode: 0o1777 },
    { type: 'char-device', name: 'c', deviceMajor: 1, deviceMinor: 3 },
    { type: 'block-device', name: 'b', deviceMajor: 4095, deviceMinor: 1048575 },
    { name: 'owners', uid: 2097151, gid: 2097152, mode: 0o7777, uname: 'user', gname: 'group' },
    { name: 'large', uid: 2 ** 32 - 2, gid: 2 ** 31, mtimeSeconds: 8 ** 11 },
    { name: 'epoch', mtimeSeconds: 0 },
    { name: 'names', uname: 'u'.repeat(31), gname: 'g'.repeat(40) },
    { name: 'o'.repeat(200), uname: '\xff'.repeat(33) },
    { name: 'attributes', records: formatRecords([[xattrKey('user.a=%\xff\n'), '\0=\xff\n']]) },
    { name: 'r'.repeat(200), gname: 'g'.repeat(40), records: formatRecords([[xattrKey('user.x'), '']]) },
  ];
  return [...files, ...others.map((values) => ({ header: headerOf(values), body: Buffer.alloc(0) }))];
}

test('odd entries are read back by our reader', async () => {
  const entries = oddEntries();
  assert.deepEqual(await readTar(tarOf(entries)), entries);
});

/** Undoes the quoting of `tar --quoting-style=c`. */
function unquoteC(text: string): string {
  const named: Record<string, string> = { n: '\n', t: '\t', a: '\x07', b: '\b', f: '\f', r: '\r', v: '\v' };
  return text.replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (named[code] ?? code),
  );
}

const listed = /^(.)\S+ +(\d+)\/(\d+) +(\S+) (\S+ \S+) "((?:[^"\\]|\\.)*)"(?: -> "((?:[^"\\]|\\.)*)")?$/;

test('GNU tar reads what we write', (t) => {
  if (!needs(t, 'tar')) return;
  const entries = oddEntries();
  const tar = spawnSync('tar', ['-tvf', '-', '--numeric-owner', '--full-time', '--quoting-style=c'], {
    input: Buffer.concat([tarOf(entries), Buffer.alloc(1024)]),
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
    encoding: 'latin1',
  });
  assert.equal(tar.stderr, '');
  const lines = tar.stdout.trimEnd().split('\n');
  const letters = {
    file: '-',
    directory: 'd',
    symlink: 'l',
    fifo: 'p',
    'char-device': 'c',
    'block-device': 'b',
  };
  assert.equal(lines.length, entries.length);
  entries.forEach(({ header }, i) => {
    const [, letter, uid, gid, size, time, name, target] = listed.exec(lines[i]!) ?? assert.fail(lines[i]);
    const device = header.deviceMajor > 0;
    assert.equal(unquoteC(name!), header.name);
    assert.equal(letter, letters[header.type]);
    assert.deepEqual([Number(uid), Number(gid)], [header.uid, header.gid], header.name);
    assert.equal(size, device ? `${header.deviceMajor},${header.deviceMinor}` : String(header.sizeBytes));
    assert.equal(time, new Date(header.mtimeSeconds * 1000).toISOString().replace('T', ' ').slice(0, 19));
    assert.equal(target === undefined ? '' : unquoteC(target), header.linkTarget);
  });
});

test("Python's tarfile reads what we write, as duplicity opens it", (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const entries = [...oddEntries(), ...fc.sample(tarEntry, { numRuns: 150, seed: 11 })];
  const read = askPeer<(TarHeader & { body: string; pax: [string, string][] })[]>(
    `
import base64, io
from duplicity import tarfile, util
types = {tarfile.REGTYPE: 'file', tarfile.DIRTYPE: 'directory', tarfile.SYMTYPE: 'symlink',
         tarfile.FIFOTYPE: 'fifo', tarfile.CHRTYPE: 'char-device', tarfile.BLKTYPE: 'block-device'}
def latin1(text):
    return text.encode('utf-8', 'surrogateescape').decode('latin1')
tar = util.make_tarfile('r', io.BytesIO(base64.b64decode(given)))
answer = [{
    'name': latin1(util.get_tarinfo_name(info)), 'type': types[info.type], 'mode': info.mode,
    'uid': info.uid, 'gid': info.gid, 'uname': latin1(info.uname), 'gname': latin1(info.gname),
    'mtimeSeconds': int(info.mtime), 'sizeBytes': info.size, 'linkTarget': latin1(info.linkname),
    'deviceMajor': info.devmajor, 'deviceMinor': info.devminor,
    'pax': [(latin1(key), latin1(value)) for key, value in info.pax_headers.items()],
    'body': latin1(tar.extractfile(info).read().decode('utf-8', 'surrogateescape')) if info.isreg() else ''
} for info in tar]`,
    tarOf(entries).toString('base64'),
    { LC_ALL: 'C.UTF-8' },
  );
  const answered = read.map(({ pax, ...values }) => {
    const records = formatRecords(pax.filter(([key]) => isVendorKey(key)));
    return records === '' ? values : { ...values, records };
  });
  assert.deepEqual(
    answered,
    entries.map(({ header, body }) => ({ ...header, body: body.toString('latin1') })),
  );
});
