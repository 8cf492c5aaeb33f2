import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AccountDatabase, type AccountSource, Owners } from './owners.js';

function source(files: Partial<Record<AccountDatabase, string>>, service: Record<string, string> = {}) {
  const asked: string[] = [];
  let reads = 0;
  const accounts: AccountSource = {
    read(database) {
      reads += 1;
      return files[database] ?? '';
    },
    ask(database, key) {
      asked.push(`${database} ${key}`);
      return service[`${database} ${key}`];
    },
  };
  return { accounts, asked, reads: () => reads };
}

describe('Owners', () => {
  it('knows the accounts of the files', () => {
    const { accounts, asked, reads } = source({
      passwd: 'root:x:0:0:root:/root:/bin/sh\nj\xf6rg:x:1000:1000::/home/j:/bin/sh\n',
      group: 'root:x:0:\nstaff:x:50:a,b\n',
    });
    const owners = new Owners(accounts);
    assert.equal(owners.userName(0), 'root');
    assert.equal(owners.userName(1000), 'j\xf6rg');
    assert.equal(owners.userId('j\xf6rg'), 1000);
    assert.equal(owners.groupName(50), 'staff');
    assert.equal(owners.groupId('staff'), 50);
    assert.deepEqual(asked, []);
    assert.equal(reads(), 2);
  });

  it('lets the first of equal names and numbers stand', () => {
    const owners = new Owners(source({ passwd: 'a:x:1:\nb:x:1:\na:x:2:\n' }).accounts);
    assert.equal(owners.userName(1), 'a');
    assert.equal(owners.userId('a'), 1);
    assert.equal(owners.userId('b'), 1);
  });

  it('asks the name service once for what the files lack', () => {
    const { accounts, asked } = source(
      {},
      { 'passwd 70000': 'ldap:*:70000:100:::\n', 'group lg': 'lg:*:800:\n' },
    );
    const owners = new Owners(accounts);
    assert.equal(owners.userName(70_000), 'ldap');
    assert.equal(owners.userName(70_000), 'ldap');
    assert.equal(owners.groupId('lg'), 800);
    assert.equal(owners.groupId('lg'), 800);
    assert.equal(owners.userName(5), '');
    assert.equal(owners.userName(5), '');
    assert.equal(owners.userId('nobody-here'), undefined);
    assert.equal(owners.userId('nobody-here'), undefined);
    assert.deepEqual(asked, ['passwd 70000', 'group lg', 'passwd 5', 'passwd nobody-here']);
  });

  it('does not take an answer about someone else', () => {
    // `getent passwd 1000` looks for the number: an account that is called "1000" is someone else.
    const owners = new Owners(source({}, { 'passwd 1000': 'anna:x:1000:1000:::\n' }).accounts);
    assert.equal(owners.userId('1000'), undefined);
    assert.equal(owners.userName(1000), 'anna');
  });

  it('asks for no name that cannot be an account', () => {
    const { accounts, asked } = source({});
    const owners = new Owners(accounts);
    for (const name of ['', 'a\0b', 'a:b', 'a b', 'a\nb', '\xff', 'x'.repeat(300)]) {
      assert.equal(owners.userId(name), undefined);
    }
    assert.deepEqual(asked, []);
  });

  it('stops asking when nobody knows thousands of names', () => {
    const { accounts, asked } = source({ passwd: 'known:x:7:7:::\n' });
    const owners = new Owners(accounts);
    for (let index = 0; index < 10_000; index += 1) assert.equal(owners.userId(`u${index}`), undefined);
    assert.equal(asked.length, 4096);
    assert.equal(owners.userId('known'), 7);
  });

  it('passes over lines that are no accounts', () => {
    const passwd = [
      '',
      ':x:1:',
      '+::::::',
      '-bad:x:2:',
      '#c:x:3:',
      'short',
      'a:b',
      'neg:x:-1:',
      'hex:x:0x5:',
      'big:x:4294967295:',
      'huge:x:99999999999:',
      'float:x:1.5:',
      ' x:x:6:',
      '__proto__:x:8:',
      'ok:x:9:',
    ].join('\n');
    const owners = new Owners(source({ passwd }).accounts);
    for (const id of [1, 2, 3, 5, 6, 4_294_967_295]) assert.equal(owners.userName(id), '', String(id));
    assert.equal(owners.userId('__proto__'), 8);
    assert.equal(owners.userId('constructor'), undefined);
    assert.equal(owners.userName(9), 'ok');
  });

  it('survives any file and any answer', () => {
    const bytes = fc.string({
      unit: fc.constantFrom('a', ':', '\n', '0', '9', '+', '\0', '\xff', '#'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(bytes, bytes, (file, answer) => {
        const owners = new Owners({ read: () => file, ask: () => answer });
        const name = owners.userName(9);
        assert.ok(name === '' || owners.userId(name) !== undefined);
        const id = owners.userId('a');
        assert.ok(id === undefined || Number.isSafeInteger(id));
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it('knows the accounts of this machine', () => {
    const owners = new Owners();
    assert.equal(owners.userName(0), 'root');
    assert.equal(owners.userId('root'), 0);
    assert.equal(owners.groupId('no-such-group-here'), undefined);
    assert.equal(owners.userName(4_123_456_789), '');
  });
});
