import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { type ByteStream, collectBytes } from '../../base/bytes.js';
import { type Action, connectionFailure, type Headers, nonsense } from './failure.js';

/** How long an unused connection is kept, unless the server says otherwise. */
const keepAliveMs = 15_000;

export interface HttpOptions {
  /** How long a connection may be silent. */
  timeoutMs: number;
  /** Where `http_proxy`, `https_proxy` and `no_proxy` are looked up. */
  env: Readonly<Record<string, string | undefined>>;
}

export interface HttpRequest {
  /** What it is for, for messages. */
  action: Action;
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Scheme, host and port. */
  origin: string;
  /** From the slash on, escaped, with the query. */
  path: string;
  headers: Record<string, string>;
  /** A stream's size must stand in the header `content-length`. */
  body?: string | ByteStream | undefined;
}

/** The variables that name proxies, in both spellings. */
export function proxiesOf(env: HttpOptions['env']) {
  const named = (name: string) => env[name] || env[name.toUpperCase()] || undefined;
  return { httpProxy: named('http_proxy'), httpsProxy: named('https_proxy'), noProxy: named('no_proxy') };
}

/** Sends requests over connections that are kept and used again. */
export class HttpClient {
  readonly #dispatcher: Dispatcher;

  constructor({ timeoutMs, env }: HttpOptions) {
    const { httpProxy, httpsProxy, noProxy } = proxiesOf(env);
    const options = {
      connect: { timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      keepAliveTimeout: keepAliveMs,
    };
    const proxies = { httpProxy: httpProxy ?? '', httpsProxy: httpsProxy ?? '', noProxy: noProxy ?? '' };
    this.#dispatcher =
      httpProxy === undefined && httpsProxy === undefined
        ? new Agent(options)
        : new EnvHttpProxyAgent({ ...options, ...proxies });
  }

  /** Sends a request. Any status is an answer; no answer is a `connection` error. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { action, body, ...rest } = request;
    try {
      const response = await this.#dispatcher.request({ ...rest, body: (body ?? null) as AsyncBody });
      return new HttpAnswer(request, response);
    } catch (error) {
      throw connectionFailure(action, request.origin, error);
    }
  }

  /** Ends all connections at once. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

/** Bodies that are async iterables work, though the types do not say so. */
type AsyncBody = NonNullable<Dispatcher.RequestOptions['body']>;

/** An answer whose body is still to be read, or to be dropped. */
export class HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly #request: HttpRequest;
  readonly #body: Dispatcher.ResponseData['body'];

  constructor(request: HttpRequest, { statusCode, headers, body }: Dispatcher.ResponseData) {
    this.status = statusCode;
    this.headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
    );
    this.#request = request;
    this.#body = body;
    // A body that breaks off while nobody reads it is no reason to end the process.
    body.on('error', () => {});
  }

  /** The body, once. */
  async *read(): ByteStream {
    const pieces = this.#body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const piece = await pieces.next().catch((error) => {
          throw connectionFailure(this.#request.action, this.#request.origin, error);
        });
        if (piece.done) return;
        yield piece.value;
      }
    } finally {
      this.abandon();
    }
  }

  /** The whole of a small body. More than `limitBytes` is an error. */
  async text(limitBytes: number): Promise<string> {
    try {
      return (await collectBytes(this.read(), limitBytes)).toString('utf8');
    } catch (error) {
      if (error instanceof RangeError) throw nonsense(this.#request.action, error.message);
      throw error;
    }
  }

  /** The whole of a small body, as JSON. What takes far more memory than its text is an error too. */
  async json(limitBytes: number): Promise<unknown> {
    const text = await this.text(limitBytes);
    if (hasMoreValues(text, mostValues)) {
      throw nonsense(this.#request.action, `it holds more than ${mostValues} values`);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw nonsense(this.#request.action, 'it is no JSON');
    }
  }

  /** Throws the body away, so that the connection is free again; a long one takes its connection with it. */
  async drop(): Promise<void> {
    await this.#body.dump().catch(() => {});
  }

  /** Ends the connection if the body has not been read to its end. */
  abandon(): void {
    this.#body.destroy();
  }
}

/** A listing of ten thousand objects has a tenth of it. */
const mostValues = 1_000_000;

/** Whether there are more signs in a text of JSON that a value begins or goes on with; those in strings count too. */
function hasMoreValues(text: string, most: number): boolean {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code === comma || code === bracket || code === brace) && ++count > most) return true;
  }
  return false;
}

const comma = 0x2c;
const bracket = 0x5b;
const brace = 0x7b;
