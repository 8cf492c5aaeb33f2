import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomNumbers } from '../trees/contents.js';
import type { OpenStack } from './openstack.js';

/** What can go wrong with a request. `at` is where in a body, from 0 to below 1. */
export type Fault =
  /** Another answer than Swift's: before the body was taken, after it, or after Swift has done what was asked. */
  | { kind: 'status'; status: number; retryAfter?: string | undefined; when: 'early' | 'refused' | 'done' }
  /** The connection breaks before anything has happened. */
  | { kind: 'cut' }
  /** It breaks in the middle of an upload of which nothing, or a part, has got to Swift. */
  | { kind: 'cut upload'; at: number; isForwarded: boolean }
  /** It breaks when Swift has done what was asked, before the answer. */
  | { kind: 'lost answer' }
  /** It breaks in the middle of the answer. */
  | { kind: 'cut download'; at: number }
  /** The answer is a shorter one, and says so. */
  | { kind: 'short download'; at: number }
  /** One byte comes altered. */
  | { kind: 'altered download'; at: number }
  | { kind: 'altered upload'; at: number }
  /** An upload that is said to be stored, and is not. */
  | { kind: 'forgotten upload' }
  /** A listing as it was before the last so many writes. */
  | { kind: 'stale listing'; writes: number }
  | { kind: 'slow'; ms: number }
  /** No answer at all. */
  | { kind: 'silent' };

/** What a request is about. */
export type Target = 'login' | 'listing' | 'container' | 'object';

/** A request before it is answered. */
export interface FacedRequest {
  method: string;
  target: Target;
  /** The object, or the container where it is about that; empty for a login. */
  name: string;
  /** How often the same was asked before. */
  earlier: number;
}

/** Says what goes wrong with a request; undefined for nothing. */
export type FaultPlan = (request: FacedRequest) => Fault | undefined;

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What is about one connection, and not about what goes over it. */
const hopHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host']);

/**
 * Stands between a client and Swift with its Keystone, and does harm as a plan says. What tells the addresses of
 * services is rewritten, so that a client that logs in through it stays with it.
 */
export class FaultyProxy {
  /** What goes wrong; nothing unless given. */
  plan: FaultPlan = () => undefined;
  /** How often each kind of fault has happened. */
  readonly happened = new Map<Fault['kind'], number>();
  /** `METHOD name` of what Swift was asked for objects. */
  readonly passed: string[] = [];
  /** What went wrong that no plan asked for. */
  readonly troubles: string[] = [];
  readonly #services: OpenStack;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #asked = new Map<string, number>();
  /** The objects that were stored, as often as they were, in order. */
  readonly #stored: string[] = [];
  #url = '';
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch((error: Error) => {
      // A client that goes away is nothing new.
      if (!request.socket.destroyed) this.troubles.push(`${request.method} ${request.url}: ${error.stack}`);
      request.socket.destroy();
    });
  });

  private constructor(services: OpenStack) {
    this.#services = services;
  }

  static async start(services: OpenStack): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(services);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.#url = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  /** Variables for an account, which lead here. */
  environment(version: 1 | 3): Record<string, string> {
    const entries = Object.entries(this.#services.environment('SWIFT', version));
    return Object.fromEntries(entries.map(([name, value]) => [name, this.#rewritten(value)]));
  }

  #rewritten(text: string): string {
    const { keystoneUrl, swiftUrl } = this.#services;
    return text.replaceAll(swiftUrl, this.#url).replaceAll(new URL(keystoneUrl).origin, this.#url);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const faced = this.#face(request);
    const fault = this.plan(faced);
    if (fault !== undefined) this.happened.set(fault.kind, (this.happened.get(fault.kind) ?? 0) + 1);
    switch (fault?.kind) {
      case 'silent':
        return;
      case 'cut':
        request.socket.destroy();
        return;
      case 'status':
        if (fault.when === 'early') {
          response.writeHead(fault.status, {
            ...retryAfter(fault),
            connection: 'close',
            'content-length': 0,
          });
          response.end();
          return;
        }
        break;
      case 'slow':
        await sleep(fault.ms);
    }

    const body = await bodyOf(request);
    const cutAt = fault && 'at' in fault ? Math.floor(fault.at * body.length) : 0;
    switch (fault?.kind) {
      case 'cut upload':
        if (fault.isForwarded) await this.#forwardPart(request, body, cutAt);
        request.socket.destroy();
        return;
      case 'altered upload':
        body[cutAt]! ^= 1;
        break;
      case 'forgotten upload':
        response.writeHead(201, { etag: request.headers.etag, 'content-length': 0 });
        response.end();
        return;
      case 'status':
        if (fault.when === 'refused') {
          response.writeHead(fault.status, { ...retryAfter(fault), 'content-length': 0 });
          response.end();
          return;
        }
    }

    const answer = await this.#forward(request, body);
    this.#note(faced, answer);
    switch (fault?.kind) {
      case 'lost answer':
        request.socket.destroy();
        return;
      case 'status':
        response.writeHead(fault.status, { ...retryAfter(fault), 'content-length': 0 });
        response.end();
        return;
    }
    const answered = this.#rewrittenAnswer(faced, answer, fault);
    this.#answer(request, response, answered, fault);
  }

  #face(request: IncomingMessage): FacedRequest {
    const method = request.method ?? '';
    const url = new URL(request.url ?? '', this.#url);
    const [, version, , container, ...rest] = url.pathname.split('/').map(decodeURIComponent);
    const isStorage = version === 'v1';
    const isObject = isStorage && rest.length > 0;
    const isListing = isStorage && method === 'GET';
    const target = isObject ? 'object' : isListing ? 'listing' : isStorage ? 'container' : 'login';
    const name = isObject ? rest.join('/') : isStorage ? (container ?? '') : '';
    const key = `${method} ${target} ${name}`;
    const earlier = this.#asked.get(key) ?? 0;
    this.#asked.set(key, earlier + 1);
    return { method, target, name, earlier };
  }

  #note({ method, target, name }: FacedRequest, { status }: Answer): void {
    if (target !== 'object') return;
    this.passed.push(`${method} ${name}`);
    if (method === 'PUT' && status === 201) this.#stored.push(name);
  }

  #options(request: IncomingMessage, bodyBytes: number) {
    const { keystoneUrl, swiftUrl } = this.#services;
    const { origin } = new URL(request.url?.startsWith('/v3') ? keystoneUrl : swiftUrl);
    const { hostname, port } = new URL(origin);
    const kept = Object.entries(request.headers).filter(([name]) => !hopHeaders.has(name));
    const headers = { ...Object.fromEntries(kept), 'content-length': String(bodyBytes) };
    return { hostname, port, path: request.url, method: request.method, headers };
  }

  #forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // Swift answers a HEAD of what is not there with a body: nothing can follow that on its connection.
      const isHead = request.method === 'HEAD';
      const options = { ...this.#options(request, body.length), agent: isHead ? false : this.#agent };
      const forwarded = httpRequest(options, (answer) => {
        const { statusCode: status = 0, headers } = answer;
        if (isHead) resolve({ status, headers, body: Buffer.alloc(0) });
        else bodyOf(answer).then((body) => resolve({ status, headers, body }), reject);
      });
      forwarded.on('error', reject);
      forwarded.end(body);
    });
  }

  /** Sends Swift the beginning of a body and then breaks that connection. */
  async #forwardPart(request: IncomingMessage, body: Buffer, sizeBytes: number): Promise<void> {
    const forwarded = httpRequest({ ...this.#options(request, body.length), agent: false });
    forwarded.on('error', () => {});
    await new Promise<void>((resolve) => forwarded.write(body.subarray(0, sizeBytes), () => resolve()));
    forwarded.destroy();
  }

  #rewrittenAnswer({ target }: FacedRequest, answer: Answer, fault: Fault | undefined): Answer {
    if (fault?.kind === 'stale listing') {
      const hidden = new Set(this.#stored.slice(-fault.writes));
      return { ...answer, body: withoutEntries(answer.body, hidden) };
    }
    if (target !== 'login') return answer;
    const headers = { ...answer.headers };
    const storageUrl = headers['x-storage-url'];
    if (storageUrl !== undefined) headers['x-storage-url'] = this.#rewritten(String(storageUrl));
    return { ...answer, headers, body: Buffer.from(this.#rewritten(answer.body.toString('utf8'))) };
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { status, headers, body }: Answer,
    fault: Fault | undefined,
  ) {
    const cutAt = fault && 'at' in fault ? Math.floor(fault.at * body.length) : 0;
    const kept = Object.entries(headers).filter(([name]) => !hopHeaders.has(name));
    const sizeBytes = request.method === 'HEAD' ? headers['content-length'] : body.length;
    const told = {
      ...Object.fromEntries(kept),
      ...(sizeBytes !== undefined && { 'content-length': sizeBytes }),
    };
    switch (fault?.kind) {
      case 'cut download':
        response.writeHead(status, told);
        response.flushHeaders();
        response.write(body.subarray(0, cutAt), () => request.socket.destroy());
        return;
      case 'short download':
        response.writeHead(status, { ...told, 'content-length': cutAt });
        response.end(body.subarray(0, cutAt));
        return;
      case 'altered download':
        if (body.length > 0) body[cutAt]! ^= 1;
    }
    response.writeHead(status, told);
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

function retryAfter({ retryAfter: value }: Fault & { kind: 'status' }): Record<string, string> {
  return value === undefined ? {} : { 'retry-after': value };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** A listing in JSON without some of its objects; what is no listing stays. */
function withoutEntries(listing: Buffer, hidden: ReadonlySet<string>): Buffer {
  const text = listing.toString('utf8');
  if (!text.startsWith('[')) return listing;
  const entries = JSON.parse(text) as { name?: string }[];
  return Buffer.from(JSON.stringify(entries.filter(({ name }) => name === undefined || !hidden.has(name))));
}

type Making = (next: () => number) => Fault;

const share = (next: () => number) => (next() % 4096) / 4096;
const statuses = [401, 408, 429, 429, 498, 500, 503];

const faults = {
  status: (next) => {
    const status = statuses[next() % statuses.length]!;
    const retryAfter = status === 429 && next() % 2 === 0 ? String(next() % 2) : undefined;
    return { kind: 'status', status, retryAfter, when: next() % 3 === 0 ? 'early' : 'refused' };
  },
  lateStatus: (next) => ({ kind: 'status', status: [408, 500, 503][next() % 3]!, when: 'done' }),
  cut: () => ({ kind: 'cut' }),
  cutUpload: (next) => ({ kind: 'cut upload', at: share(next), isForwarded: next() % 2 === 0 }),
  lostAnswer: () => ({ kind: 'lost answer' }),
  cutDownload: (next) => ({ kind: 'cut download', at: share(next) }),
  shortDownload: (next) => ({ kind: 'short download', at: share(next) }),
  alteredDownload: (next) => ({ kind: 'altered download', at: share(next) }),
  alteredUpload: (next) => ({ kind: 'altered upload', at: share(next) }),
  staleListing: (next) => ({ kind: 'stale listing', writes: 1 + (next() % 12) }),
  slow: (next) => ({ kind: 'slow', ms: 50 + (next() % 250) }),
  silent: () => ({ kind: 'silent' }),
} satisfies Record<string, Making>;

const { status, cut, slow, silent, lateStatus, lostAnswer } = faults;
const { cutUpload, alteredUpload, cutDownload, shortDownload, alteredDownload, staleListing } = faults;
/** Any request can meet these. */
const common: Making[] = [status, status, cut, slow];

/** What can happen to a request; what stands here twice happens twice as often. */
function makingsFor({ method, target }: FacedRequest): Making[] {
  switch (true) {
    case target === 'login':
      return common;
    case target === 'listing':
      return [...common, cutDownload, shortDownload, staleListing, staleListing];
    case target === 'object' && method === 'PUT':
      return [...common, cutUpload, cutUpload, lostAnswer, lostAnswer, lateStatus, alteredUpload];
    case target === 'object' && method === 'GET':
      return [...common, cutDownload, cutDownload, shortDownload, alteredDownload];
    default:
      return [...common, lostAnswer];
  }
}

/**
 * Harm at random: so many of a hundred requests, of logins half as many. The same seed does the same to the same
 * requests, in whatever order they come.
 */
export function faultsOfSeed(seed: string, percent: number): FaultPlan {
  return (faced) => {
    const { method, target, earlier } = faced;
    // The names of containers are others in every run.
    const name = target === 'object' ? faced.name : '';
    const next = randomNumbers(`${seed} ${method} ${target} ${name} ${earlier}`);
    if (next() % 200 >= (target === 'login' ? percent : 2 * percent)) return undefined;
    // Each of these costs the client its patience.
    if (next() % 80 === 0) return silent();
    const makings = makingsFor(faced);
    return makings[next() % makings.length]!(next);
  };
}
