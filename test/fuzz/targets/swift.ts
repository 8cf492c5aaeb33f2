import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { ColdObject } from '../../../src/storage/backend.js';
import { Accounts } from '../../../src/storage/swift/account.js';
import { Container } from '../../../src/storage/swift/container.js';
import { readAccount } from '../../../src/storage/swift/environment.js';
import { SwiftBackend } from '../../../src/storage/swift/swift-backend.js';
import { progressOf } from '../../../src/volume/thaw.js';
import { jsonMutation } from '../json-mutations.js';
import type { Random } from '../random.js';
import { about, drain, type FuzzTarget, tagged } from '../target.js';

/*
 * Answers of a server. An input is a byte that says what is asked for, and then answers as they go over the line, each
 * behind a mark; `{URL}` stands for the server's address.
 */

const mark = '\n~~~\n';
const address = '{URL}';
const timeoutMs = 300;

function answer(status: string, headers: Record<string, string> = {}, body = ''): string {
  const lines = Object.entries({ 'content-length': String(Buffer.byteLength(body)), ...headers });
  return `HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

const version1 = answer('200 OK', {
  'x-storage-url': `${address}/v1/A`,
  'x-auth-token': 'token',
  'x-auth-token-expires': '86400',
});
const version2 = answer(
  '200 OK',
  {},
  JSON.stringify({
    access: {
      token: { id: 'token', expires: '2030-01-01T00:00:00Z', issued_at: '2029-12-31T00:00:00Z' },
      serviceCatalog: [{ type: 'object-store', endpoints: [{ region: 'R', publicURL: `${address}/v1/A` }] }],
    },
  }),
);
const version3 = answer(
  '201 Created',
  { 'x-subject-token': 'token' },
  JSON.stringify({
    token: {
      expires_at: '2030-01-01T00:00:00Z',
      issued_at: '2029-12-31T00:00:00Z',
      catalog: [
        { type: 'object-store', endpoints: [{ interface: 'public', region: 'R', url: `${address}/v1/A` }] },
        { type: 'identity', endpoints: [] },
      ],
    },
  }),
);
const page = answer(
  '200 OK',
  { 'content-type': 'application/json', 'x-storage-policy': 'PCA' },
  JSON.stringify([
    { name: 'folder/a', bytes: 5, policy_retrieval_state: 'sealed' },
    { name: 'folder/b', bytes: 9, policy_retrieval_state: 'unsealing', policy_retrieval_delay: 7200 },
    { subdir: 'folder/c/' },
    { name: 'folder/d', bytes: 7, policy_retrieval_state: 'unsealed' },
  ]),
);
/** The size of an empty one is asked for: it may be a large object. */
const pageOfEmpty = answer('200 OK', {}, JSON.stringify([{ name: 'folder/a', bytes: 0 }]));
const lastPage = answer('200 OK', {}, '[]');
const head = answer('200 OK', {
  'content-length': '5',
  etag: '5d41402abc4b2a76b9719d911017c592',
  'x-timestamp': '1.5',
  'x-ovh-retrieval-state': 'unsealing',
  'x-ovh-retrieval-delay': '60',
});
const staticHead = answer('200 OK', { 'content-length': '5', 'x-static-large-object': 'True', etag: '"x"' });
const dynamicHead = answer('200 OK', { 'content-length': '0', 'x-object-manifest': 'other%2Fc/seg' });
const object = answer('200 OK', { etag: '5d41402abc4b2a76b9719d911017c592' }, 'hello');
const rest = answer('206 Partial Content', { 'content-range': 'bytes 2-4/5' }, 'llo');
const broken = object.replace('hello', 'he');
const sealed = answer('429 Too Many Requests', { 'retry-after': '7200' });
const report = answer('200 OK', {}, JSON.stringify({ 'Response Status': '200 OK', Errors: [] }));
const none = answer('204 No Content');
const notFound = answer('404 Not Found', {}, '<html>not here</html>');
const stored = answer('201 Created', { etag: '5d41402abc4b2a76b9719d911017c592' });

const logins = [version1, version2, version3];
/** What can be asked for, and answers to it. */
const calls: readonly [call: (backend: SwiftBackend) => Promise<unknown>, ...answers: string[][]][] = [
  [
    async (backend) => about((await backend.list()).length),
    [page, lastPage],
    [pageOfEmpty, lastPage, head],
    [notFound],
  ],
  [async (backend) => told(await backend.cold!.survey()), [page, lastPage]],
  [async (backend) => told(await backend.cold!.thaw(['a', 'x'])), [page, lastPage, sealed, head, sealed]],
  [async (backend) => typeof (await backend.stat('a'))?.sizeBytes, [head], [notFound], [dynamicHead]],
  [async (backend) => drain(await backend.get('a')), [object], [broken, rest], [sealed]],
  [async (backend) => backend.remove(['a']), [staticHead, report], [dynamicHead, none, page, lastPage, none]],
  [
    async (backend) => backend.put('a', source),
    [none, notFound, stored],
    [none, staticHead, stored, lastPage],
  ],
];

const bytes = Buffer.from('hello');
const source = {
  sizeBytes: bytes.length,
  async *open() {
    yield bytes;
  },
};

/** As a plan tells of objects. */
function told(objects: readonly ColdObject[]): string {
  for (const { readyAtMs } of objects) if (readyAtMs !== undefined) new Date(readyAtMs).toISOString();
  const { thawing } = progressOf(objects).states;
  return `${objects.map(({ state }) => state[0]).join('')} ${about(thawing.objects)}`;
}

/** Answers whatever is asked with what comes next. */
class AnswerServer {
  readonly #server: Server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  #answers: Buffer[] = [];
  #staysOpen = false;
  port = 0;

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  give(answers: Buffer[], staysOpen: boolean): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#answers = answers;
    this.#staysOpen = staysOpen;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    let request = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      request += piece;
      const end = request.indexOf('\r\n\r\n');
      if (end < 0) return;
      const bodyBytes = Number(/^content-length: (\d+)/im.exec(request)?.[1] ?? 0);
      if (request.length < end + 4 + bodyBytes) return;
      const isTunnel = request.startsWith('CONNECT');
      request = '';
      if (isTunnel) socket.write('HTTP/1.1 200 OK\r\n\r\n');
      else {
        const next = this.#answers.shift() ?? Buffer.from(answer('503 Service Unavailable'));
        if (this.#staysOpen) socket.write(next);
        else socket.end(next);
      }
    });
  }
}

let server: AnswerServer | undefined;
const accounts = new Accounts();

async function opened(tag: number, isAway: boolean, port: number): Promise<SwiftBackend> {
  const isArchive = (tag & 64) !== 0 || [1, 2].includes(tag % 8);
  const variables = isArchive ? 'PCA' : 'SWIFT';
  const version = 1 + ((tag >> 3) % 3);
  const env: Record<string, string> = {
    [`${variables}_AUTHURL`]: `http://127.0.0.1:${port}/auth`,
    [`${variables}_AUTHVERSION`]: String(version),
    [`${variables}_USERNAME`]: 'me',
    [`${variables}_PASSWORD`]: 'secret',
    [`${variables}_TENANTNAME`]: 't',
  };
  // Whatever address a mutated answer names, nothing is asked of any other machine.
  const proxy = `http://127.0.0.1:${port}`;
  if (isAway) Object.assign(env, { http_proxy: proxy, https_proxy: proxy });
  const settings = readAccount(env, variables, 'swift://c');
  const { account, release } = accounts.use(settings, { timeoutMs, env });
  const { place } = settings;
  const policy = isArchive ? 'PCA' : undefined;
  return new SwiftBackend({
    description: 'swift://c/folder',
    container: new Container({ account, place, variables, name: 'c', policy, policyAdvice: '' }),
    prefix: 'folder/',
    isArchive,
    segmentSizeBytes: 0,
    tries: { attempts: 2, delayMs: 0, sleep: async () => {} },
    timeoutMs,
    onWarning: () => {},
    release,
  });
}

/** A body that is JSON. */
const body = jsonMutation((input, random) => {
  const starts: number[] = [];
  for (let at = input.indexOf('\r\n\r\n'); at >= 0; at = input.indexOf('\r\n\r\n', at + 1))
    starts.push(at + 4);
  const from = random.pick(starts) ?? 0;
  const end = input.indexOf(mark, from);
  return [from, end < 0 ? input.length : end];
});

export const swift: FuzzTarget = {
  samples: () =>
    calls.flatMap(([, ...all], call) =>
      all.flatMap((answers) =>
        logins.map((login, version) => tagged(call + 8 * version, [login, ...answers].join(mark))),
      ),
    ),
  words: [
    mark,
    '\r\n',
    '\r\n\r\n',
    'transfer-encoding: chunked\r\n',
    'retry-after: 99999999999999\r\n',
    'retry-after: Fri, 31 Dec 99999 23:59:59 GMT\r\n',
    'content-encoding: gzip\r\n',
    'content-length: 0\r\n',
    'content-range: bytes 0-4/5\r\n',
    'x-ovh-retrieval-delay: 99999999999999999999\r\n',
    'x-ovh-retrieval-state: unsealing\r\n',
    'location: http://x\r\n',
    'set-cookie: a\r\nset-cookie: b\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    '401 Unauthorized',
    '498 x',
    '503 x',
    '"unsealing"',
    'constructor',
    '1e300',
    'javascript:x',
    'ffff\r\n',
  ],
  mutations: [body, body],
  /** Lengths that fit their bodies. */
  mend: (input) =>
    Buffer.from(
      input
        .toString('latin1')
        .split(mark)
        .map((part) => {
          const bodyBytes = part.length - part.indexOf('\r\n\r\n') - 4;
          return bodyBytes === 0
            ? part
            : part.replace(/content-length: \d+/i, `content-length: ${bodyBytes}`);
        })
        .join(mark),
      'latin1',
    ),
  mostBytes: 20_000,
  async run(input, random: Random) {
    if (server === undefined) {
      server = new AnswerServer();
      await server.start();
    }
    const tag = input[0] ?? 0;
    const text = input.toString('latin1', 1);
    const isAway = /\w+:\/\//.test(text.replaceAll(`${address}/`, ''));
    const answers = text.split(mark).map((part) => fitted(part, server!.port));
    // Where the server does not close a connection, what is cut short costs the whole time limit.
    server.give(answers, random.oneIn(40));
    const backend = await opened(tag, isAway, server.port);
    try {
      return `${tag % 64} ${await calls[(tag % 8) % calls.length]![0](backend)}`;
    } finally {
      await backend.close();
    }
  },
  close: () => server?.stop(),
};

/** The answer with the server's address in it, and its length mended where that is all that has changed. */
function fitted(part: string, port: number): Buffer {
  const given = `http://127.0.0.1:${port}`;
  const bodyAt = part.indexOf('\r\n\r\n') + 4;
  const grownBytes = (part.slice(bodyAt).split(address).length - 1) * (given.length - address.length);
  const whole = part.replaceAll(address, given);
  const resized = whole.replace(
    /content-length: (\d{1,9})\b/i,
    (_, size) => `content-length: ${Number(size) + grownBytes}`,
  );
  return Buffer.from(resized, 'latin1');
}
