import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { OperationEvent } from '../../base/events.js';
import type { StorageBackend } from '../backend.js';
import { type BackendOptions, BackendRegistry } from '../registry.js';
import { parseUrl } from '../url.js';
import { type SwiftFactoryOptions, swiftFactory } from './open.js';

/** A request as the server has it, its body read. */
export interface SeenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

interface Held {
  bytes: Buffer;
  headers: Record<string, string>;
}

type Answer = (request: SeenRequest, response: ServerResponse, raw: IncomingMessage) => boolean | undefined;

/**
 * A Swift in memory for what a real one does not do on demand. `fault` sees each request first, before its body is read,
 * and answers it by itself if it gives true.
 */
export class FakeSwift {
  readonly containers = new Map<string, { policy: string; objects: Map<string, Held> }>();
  readonly seen: SeenRequest[] = [];
  readonly tokens = new Set<string>();
  tokenRequests = 0;
  pageSize = 10_000;
  fault: Answer | undefined;
  url = '';
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error) => response.destroy(error));
  });

  static async start(t: Pick<TestContext, 'after'>): Promise<FakeSwift> {
    const fake = new FakeSwift();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    t.after(() => fake.stop());
    return fake;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** How many connections are open. */
  connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_, count) => resolve(count)));
  }

  /** Variables for an account of version 1. */
  environment(variables = 'SWIFT'): Record<string, string> {
    return {
      [`${variables}_AUTHURL`]: `${this.url}/auth/v1.0`,
      [`${variables}_AUTHVERSION`]: '1',
      [`${variables}_USERNAME`]: 'me',
      [`${variables}_PASSWORD`]: 'pass word',
    };
  }

  /** `METHOD path` of what was asked of the storage so far, and forgets it. */
  takeLog(): string[] {
    return this.seen
      .splice(0)
      .filter(({ path }) => path.startsWith('/v1/'))
      .map(
        ({ method, path, query }) =>
          `${method} ${path.slice('/v1/A/'.length)}${query.size > 0 ? `?${query}` : ''}`,
      );
  }

  newToken(): string {
    const token = `token-${++this.tokenRequests}`;
    this.tokens.add(token);
    return token;
  }

  async #answer(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(raw.url ?? '', this.url);
    const request: SeenRequest = {
      method: raw.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: raw.headers,
      body: Buffer.alloc(0),
    };
    this.seen.push(request);
    if (this.fault?.(request, response, raw)) return;
    const pieces: Buffer[] = [];
    for await (const piece of raw) pieces.push(piece);
    request.body = Buffer.concat(pieces);
    const { status, headers = {}, body = '' } = this.#handle(request);
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
    response.end(raw.method === 'HEAD' ? undefined : body);
  }

  #handle(request: SeenRequest): {
    status: number;
    headers?: Record<string, string | number>;
    body?: string | Buffer;
  } {
    if (request.path === '/auth/v1.0') {
      if (request.headers['x-auth-key'] !== 'pass word') return { status: 401 };
      return {
        status: 200,
        headers: { 'x-storage-url': `${this.url}/v1/A`, 'x-auth-token': this.newToken() },
      };
    }
    if (!this.tokens.has(String(request.headers['x-auth-token']))) return { status: 401 };
    const [, , , containerName = '', ...rest] = request.path.split('/');
    const container = this.containers.get(containerName);
    if (rest.length === 0) return this.#handleContainer(request, containerName, container);
    if (container === undefined) return { status: 404 };
    return this.#handleObject(request, rest.join('/'), container.objects);
  }

  #handleContainer(
    { method, headers, query }: SeenRequest,
    name: string,
    container: { policy: string; objects: Map<string, Held> } | undefined,
  ) {
    if (method === 'PUT') {
      const policy = String(headers['x-storage-policy'] ?? 'PCS');
      if (policy === 'unheard') return { status: 400 };
      if (container === undefined) this.containers.set(name, { policy, objects: new Map() });
      return { status: 201 };
    }
    if (container === undefined) return { status: 404 };
    const answerHeaders = { 'x-storage-policy': container.policy };
    if (method === 'HEAD') return { status: 204, headers: answerHeaders };
    const marker = query.get('marker') ?? '';
    const prefix = query.get('prefix') ?? '';
    const entries = new Map<string, object>();
    for (const [path, { bytes }] of container.objects) {
      if (!path.startsWith(prefix)) continue;
      const slash = query.has('delimiter') ? path.indexOf('/', prefix.length) : -1;
      const folder = path.slice(0, slash + 1);
      if (slash >= 0) entries.set(folder, { subdir: folder });
      else entries.set(path, { name: path, bytes: bytes.length });
    }
    const page = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).filter(([path]) => path > marker);
    const body = JSON.stringify(page.slice(0, this.pageSize).map(([, entry]) => entry));
    return { status: 200, headers: answerHeaders, body };
  }

  #handleObject(
    { method, headers, body }: SeenRequest,
    path: string,
    objects: Map<string, Held>,
  ): { status: number; headers?: Record<string, string | number>; body?: string | Buffer } {
    if (method === 'PUT') {
      const etag = createHash('md5').update(body).digest('hex');
      if (headers.etag !== undefined && headers.etag !== etag) return { status: 422 };
      objects.set(path, { bytes: body, headers: { etag } });
      return { status: 201, headers: { etag } };
    }
    const held = objects.get(path);
    if (held === undefined) return { status: 404 };
    if (method === 'DELETE') return objects.delete(path) ? { status: 204 } : { status: 404 };
    const match = headers['if-match'];
    if (match !== undefined && match !== held.headers.etag) return { status: 412 };
    const from = /^bytes=(\d+)-$/.exec(String(headers.range ?? ''))?.[1];
    const size = held.bytes.length;
    if (from === undefined) {
      return { status: 200, headers: { ...held.headers, 'content-length': size }, body: held.bytes };
    }
    const rest = held.bytes.subarray(Number(from));
    const range = { 'content-range': `bytes ${from}-${size - 1}/${size}` };
    return { status: 206, headers: { ...held.headers, ...range, 'content-length': rest.length }, body: rest };
  }
}

/** What opens storages at a fake Swift, or at any other with these variables; no waits between tries. */
export function opener(
  t: Pick<TestContext, 'after'>,
  env: Record<string, string>,
  options: Partial<BackendOptions> = {},
  factoryOptions: SwiftFactoryOptions = {},
) {
  const warnings: string[] = [];
  const factory = swiftFactory(factoryOptions);
  const registry = new BackendRegistry([{ schemes: ['swift', 'pca'], load: () => factory }]);
  const all = { numRetries: 3, retryDelayMs: 0, timeoutMs: 5000, ...options };
  const onEvent = (event: OperationEvent) =>
    event.kind === 'message' && event.level === 'warning' && warnings.push(event.text);
  const context = { env, registry, options: all, onEvent };
  const keep = <Backend extends StorageBackend>(backend: Backend): Backend => {
    t.after(() => backend.close());
    return backend;
  };
  return {
    warnings,
    /** With retries, as commands have it. */
    open: async (address: string) => keep(await registry.open(address, context)),
    /** Without. */
    openBare: async (address: string) => keep(await factory(parseUrl(address), context)),
  };
}
