import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { isUrl, parseUrl } from './url.js';

test('a local address is all path', () => {
  assert.equal(parseUrl('file:///abs/x').path, '/abs/x');
  assert.equal(parseUrl('file://rel/x').path, 'rel/x');
  assert.equal(parseUrl('FILE:///a%20b%2Fc').path, '/a b/c');
  assert.equal(parseUrl('file:///home/me@work:1/x').path, '/home/me@work:1/x');
  assert.equal(parseUrl('file:///home/me@work:1/x').display, 'file:///home/me@work:1/x');
  assert.equal(parseUrl('swift://container/prefix').path, 'container/prefix');
});

test('an address with a host is taken apart', () => {
  const url = parseUrl('sftp://u:p%40ss@Host:22//abs/dir?x=1#part');
  assert.deepEqual(
    { ...url, password: url.password?.reveal() },
    {
      scheme: 'sftp',
      user: 'u',
      password: 'p@ss',
      host: 'host',
      port: 22,
      path: '//abs/dir',
      query: 'x=1',
      display: 'sftp://u@Host:22//abs/dir?x=1#part',
    },
  );
  assert.equal(parseUrl('scp://[::1]:33/a').host, '::1');
});

test('no secret is printed', () => {
  const secret = 'hunter2';
  assert.ok(!inspect(parseUrl(`sftp://u:${secret}@h/x`), { depth: 9 }).includes(secret));
  assert.ok(!inspect(parseUrl(`b2://id:${secret}@bucket/x`).display).includes(secret));
  for (const broken of [
    `sftp://u:${secret}/@h/x`,
    `sftp://u:${secret}?@h:z/x`,
    `sftp://u:${secret}@h:port/x`,
  ]) {
    assert.throws(
      () => parseUrl(broken),
      (error) => error instanceof TundraError && error.code === 'bad-url' && !inspect(error).includes(secret),
    );
  }
});

test('what breaks the rules is a bad address', () => {
  for (const text of [
    '',
    '/a/b',
    'file:rel',
    'file://',
    'sftp:///x',
    'sftp://',
    'ftp://h:70000/',
    'file://x:y/z',
  ]) {
    assert.throws(() => parseUrl(text), { name: 'TundraError', code: 'bad-url' }, text);
  }
});

test('a scheme makes an address', () => {
  for (const text of ['file:///a', 'par2+sftp://h/a', 'a:b', ' multi:///c']) assert.ok(isUrl(text), text);
  for (const text of ['/a:b', 'a', '1a:b', './a:b', '']) assert.ok(!isUrl(text), text);
});

/** The Python that runs the peer: not always the first one in the path. */
function pythonOfPeer(): string {
  const script = execFileSync('sh', ['-c', 'command -v duplicity'], { encoding: 'utf8' }).trim();
  const [interpreter] = /^#!(.*)/.exec(readFileSync(script, 'utf8'))?.[1]?.trim().split(/\s+/) ?? [];
  return interpreter ?? 'python3';
}

const parseWithPeer = `
import json, sys
texts = json.load(sys.stdin)
sys.argv = ['parse']
from duplicity import backend, log
log.setup()
backend.import_backends()
out = []
for text in texts:
    try:
        url = backend.ParsedUrl(text)
        host = url.hostname if url.scheme in backend.uses_netloc else None
        path = url.path if host else url.path[2:]
        out.append([url.scheme, url.username, url.password, host, url.port, path, url.query or ''])
    except Exception:
        out.append(None)
json.dump(out, sys.stdout)
`;

test('addresses mean what they mean to the peer', (t) => {
  if (!needs(t, 'duplicity')) return;
  const pieces = {
    scheme: [
      'file',
      'multi',
      'swift',
      'sftp',
      'S3',
      'boto3+s3',
      'ftp',
      'lftp+https',
      'b2',
      'rclone',
      'rsync',
      'no+such',
    ],
    start: [
      ':',
      ':/',
      '://',
      ':///',
      ':////',
      '://h:22',
      '://H/',
      '://u@h//',
      '://u:p%2f@h/',
      '://[::1]:8/',
      '://h::m/',
      '://a%20b/',
    ],
    rest: ['', 'x/y', 'x%20y%zz%ff', 'a;b/c;d', '/x@y:z', 'x?a=b&c#d', 'x#y?z', ' x\ty'],
  };
  const texts = pieces.scheme.flatMap((scheme) =>
    pieces.start.flatMap((start) => pieces.rest.map((rest) => scheme + start + rest)),
  );
  const peer = JSON.parse(
    execFileSync(pythonOfPeer(), ['-c', parseWithPeer], {
      input: JSON.stringify(texts),
      encoding: 'utf8',
    }),
  );
  assert.ok(peer.filter((parts: unknown) => parts !== null).length > 400);
  const ours = texts.map((text) => {
    try {
      const url = parseUrl(text);
      const some = <T>(value: T | undefined) => value ?? null;
      const password = some(url.password?.reveal());
      return [url.scheme, some(url.user), password, some(url.host), some(url.port), url.path, url.query];
    } catch (error) {
      if (error instanceof TundraError) return null;
      throw error;
    }
  });
  assert.deepEqual(
    Object.fromEntries(texts.map((text, index) => [text, ours[index]])),
    Object.fromEntries(texts.map((text, index) => [text, peer[index]])),
  );
});
