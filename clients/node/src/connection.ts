// One connection. Either side may call the other: calls out, calls in, and their streams.

import { isUtf8 } from 'node:buffer';
import { CallError, Refused, cancelled, fromPayload, toPayload } from './errors.ts';
import { Items, Sent } from './streams.ts';
import { HELLO_BYTES, type Hello, MAX_FRAME, MAX_REQUESTS, decode, encode, hasLoneSurrogate } from './wire.ts';

/** A function that answers a message. A generator answers with items. `context` is its call. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handler = (payload: any, context: Context) => unknown;
export type Handlers = Record<string, Handler>;
export type ItemSource = AsyncIterable<unknown> | Iterable<unknown>;

export interface CallOptions {
  /** Milliseconds until the call fails and is cancelled. */
  timeout?: number | undefined;
  metadata?: Record<string, string> | undefined;
  /** Stream of the caller. */
  items?: ItemSource | undefined;
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
}

export interface Writer {
  write(data: string): unknown;
  end(done: () => void): unknown;
}

interface Frame {
  type?: string;
  tx?: unknown;
  payload?: unknown;
  kind?: string | null;
  timeout?: unknown;
  meta?: Record<string, string>;
  items?: string | null;
  from?: string | null;
}

/** A request of this side that has no answer yet. */
interface Call {
  tx: string;
  name: string;
  size: number;
  isCancelled: boolean;
  sent: Sent | undefined;
  received: Items | undefined;
  resolve: (payload: unknown) => void;
  reject: (error: unknown) => void;
}

/** A request that this side answers. */
export class Context {
  /** Items of the caller, if it sends some. */
  received: Items | undefined;
  /** Items to the caller. */
  sent: Sent | undefined;
  isCancelled = false;
  readonly id: string;
  readonly name: string;
  readonly metadata: Record<string, string>;
  /** Time in milliseconds, as of `performance.now`, at which the caller stops waiting. */
  readonly deadline: number | undefined;
  #connection: Connection;
  #abort: AbortController | undefined;

  constructor(connection: Connection, id: string, name: string, metadata: Record<string, string>, deadline?: number) {
    this.#connection = connection;
    this.id = id;
    this.name = name;
    this.metadata = metadata;
    this.deadline = deadline;
  }

  /** Items of the caller. Empty if it sends none. */
  get items(): Items {
    if (this.received) return this.received;
    const none = new Items(() => {}, this.id, 'callee');
    none.close();
    return none;
  }

  /** Aborted when the call is cancelled or answered, or its connection is lost. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.isCancelled) this.#abort.abort(cancelled());
    return this.#abort.signal;
  }

  /** Milliseconds until the caller stops waiting, or `undefined` if it waits without a limit. */
  get remaining(): number | undefined {
    return this.deadline === undefined ? undefined : Math.max(0, this.deadline - performance.now());
  }

  /** Calls the other side within this call: a callback. It ends with this call at the latest. */
  async call(name: string, payload?: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.#connection.call(name, payload, this.#own(options));
  }

  /** A callback that answers with items. */
  async *stream(name: string, payload?: unknown, options: CallOptions = {}): AsyncGenerator<unknown, void> {
    yield* this.#connection.stream(name, payload, this.#own(options));
  }

  #own(options: CallOptions): CallOptions {
    if (this.isCancelled) throw cancelled();
    if (!this.#connection.mayCall) {
      const cause = 'it serves nothing; pass `serve` to it';
      throw new CallError(`could not call the host back: ${cause}`, { code: 'IW_CONFIG' });
    }
    const chain = this.metadata['iw-chain'];
    const metadata = { ...options.metadata, 'iw-parent': this.id, ...(chain === undefined ? {} : { 'iw-chain': chain }) };
    const limits = [options.timeout, this.remaining].filter((limit) => limit !== undefined);
    return { ...options, metadata, timeout: limits.length > 0 ? Math.min(...limits) : undefined, signal: this.signal };
  }

  end(error: unknown): void {
    this.isCancelled ||= error !== undefined;
    this.#abort?.abort(error ?? cancelled());
    this.received?.close(error);
    this.sent?.close();
  }
}

export class Connection {
  /** Line of the other side. */
  peer: Hello | undefined;
  /** Requests of the other side at once. */
  takesRequests = MAX_REQUESTS;
  /** The other side answers requests. */
  mayCall = false;
  /** No further call of this side starts. */
  isClosed = false;
  /** No further request of the other side is run. */
  refuses = false;
  /** A signal stops this worker, and its host has not answered yet. */
  isStopping = false;
  /** The stream ends after the last answer. */
  isDraining = false;
  /** Why this side has ended the connection. */
  error: CallError | undefined;
  handlers: Handlers;
  onGoAway: (payload: unknown) => void = () => {};
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  /** Startup data, which follow the first line. */
  readonly startup: Promise<string>;
  #setEnded = () => {};
  #setStartup: (data: string) => void = () => {};
  #writer: Writer;
  #onHello: ((line: string) => number) | undefined;
  #startupBytes = 0;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #out = '';
  #hasGone = false;
  #hasEnded = false;
  #itemBytes = 0;
  #maxFrame = Infinity;
  #maxRequests = MAX_REQUESTS;
  #requestBytes = Infinity;
  #onewayBytes = Infinity;
  #usedRequestBytes = 0;
  #usedOnewayBytes = 0;
  #lastId = 0;
  #calls = new Map<string, Call>();
  #serving = new Map<string, Context>();
  #oneways: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  /** `onHello` gets the first line, and returns the size of the startup data. */
  constructor(writer: Writer, handlers: Handlers, onHello?: (line: string) => number) {
    this.#writer = writer;
    this.handlers = handlers;
    this.#onHello = onHello;
    this.ended = new Promise((resolve) => (this.#setEnded = resolve));
    this.startup = new Promise((resolve) => (this.#setStartup = resolve));
  }

  // Bytes.

  /** Notes what the other side takes at once, from its line. */
  greet(peer: Hello): void {
    const admission = peer.admission ?? {};
    this.peer = peer;
    this.#maxFrame = peer.max_frame ?? Infinity;
    this.#maxRequests = Math.max(1, admission.requests ?? MAX_REQUESTS);
    this.#requestBytes = Math.max(1, admission.request_bytes ?? Infinity);
    this.#onewayBytes = Math.max(1, admission.oneway_bytes ?? Infinity);
    this.#itemBytes = admission.item_bytes ?? 0;
  }

  receive(data: Buffer): void {
    try {
      this.#chunks.push(data);
      this.#buffered += data.length;
      const limit = this.#onHello ? HELLO_BYTES : MAX_FRAME;
      if (this.#startupBytes > 0 || data.includes(10)) this.#lines(Buffer.concat(this.#chunks));
      else if (this.#buffered > limit) throw new Refused(`could not read a frame: it has more than ${limit} bytes`);
    } catch (error) {
      this.fail(error instanceof CallError ? error : new Refused(`could not read a frame: ${error}`));
    }
  }

  #lines(data: Buffer): void {
    if (this.#onHello) {
      const end = data.indexOf(10);
      const [line, onHello] = [text(data.subarray(0, end)), this.#onHello];
      this.#onHello = undefined;
      this.#startupBytes = onHello(line);
      data = data.subarray(end + 1);
    }
    if (this.#startupBytes > 0 && data.length >= this.#startupBytes) {
      this.#setStartup(text(data.subarray(0, this.#startupBytes)));
      data = data.subarray(this.#startupBytes);
      this.#startupBytes = 0;
    }
    const end = this.#startupBytes > 0 ? 0 : data.lastIndexOf(10) + 1;
    this.#chunks = end < data.length ? [data.subarray(end)] : [];
    this.#buffered = data.length - end;
    if (end === 0) return;
    // No byte of a longer character is a line feed, so all lines are decoded at once.
    for (const line of text(data.subarray(0, end - 1)).split('\n')) {
      if (line.length >= MAX_FRAME) throw new Refused(`could not read a frame: it has more than ${MAX_FRAME} bytes`);
      if (!this.#hasGone && line.trim() !== '') this.#frame(decode(line), line);
    }
  }

  /** Queues a frame. Frames of one turn of the event loop are written together. */
  write(frame: string): void {
    // A character has up to three bytes.
    if (frame.length * 3 >= this.#maxFrame && Buffer.byteLength(frame) >= this.#maxFrame) {
      const text = `a frame of ${frame.length} characters exceeds the ${this.#maxFrame} bytes that the other side accepts`;
      throw new CallError(`${text}; send less at once`, { code: 'IW_TOO_LARGE' });
    }
    if (this.#out === '') setImmediate(() => this.flush());
    this.#out += `${frame}\n`;
  }

  flush(first = ''): void {
    const out = first + this.#out;
    this.#out = '';
    if (out !== '' && !this.#hasEnded) this.#writer.write(out);
  }

  // Frames.

  #frame(value: unknown, line: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Refused('could not read a frame: it is no object');
    }
    const frame = value as Frame;
    const { tx, payload, type = '' } = frame;
    let kind = frame.kind ?? undefined;
    if (typeof type !== 'string') throw new Refused('could not read a frame: its `type` is no text');
    if (kind === undefined) {
      // To a side that serves nothing, it may be an answer. Its name may also be that of a request.
      const isAnswer = /(Result|Error)$/.test(type) && Object.keys(this.handlers).length === 0;
      kind = !isAnswer ? 'request' : type.endsWith('Error') ? 'error' : 'reply';
    }
    if (kind === 'ping') return this.write('{"kind":"pong"}');
    if (kind === 'pong') return undefined;
    if (kind === 'go_away') return this.onGoAway(payload);
    if (kind === 'credit') {
      this.#usedOnewayBytes = Math.max(0, this.#usedOnewayBytes - count(payload));
      return this.#admit();
    }
    if (typeof tx !== 'string') throw new Refused('could not read a frame: it has no `tx`');
    if (kind === 'request' || kind === 'oneway') return this.#requested(frame, tx, type, line, kind === 'oneway');
    if (kind === 'reply' || kind === 'error') return this.#answered(tx, payload, kind === 'error', line);
    if (kind === 'cancel') return this.#serving.get(tx)?.end(cancelled());
    // The rest is about the streams of a call of either direction, and passed over after its end.
    if (kind !== 'item' && kind !== 'items_end' && kind !== 'item_credit') {
      throw new Refused(`could not read a frame: it has the unknown kind \`${kind}\``);
    }
    const from = frame.from ?? 'callee';
    if (from !== 'caller' && from !== 'callee') throw new Refused(`could not read a frame: its \`from\` is ${from}`);
    const credit = kind === 'item_credit' ? count(payload) : 0;
    const isCaller = from === 'callee' && kind !== 'items_end';
    const call = isCaller ? this.#calls.get(tx) : this.#serving.get(tx);
    if (call === undefined || call.isCancelled) return undefined;
    if (kind === 'item_credit') return call.sent?.credit(credit);
    if (!call.received) throw new Refused(`could not accept an item of the call ${tx}: the call has no such stream`);
    return kind === 'item' ? call.received.push(payload, line) : call.received.close();
  }

  // Calls in.

  #requested(frame: Frame, tx: string, name: string, line: string, isOneway: boolean): void {
    const { payload, timeout, meta = {}, items } = frame;
    const values = meta === null || typeof meta !== 'object' || Array.isArray(meta) ? [0] : Object.values(meta);
    const isMeta = values.length <= 256 && values.every((value) => typeof value === 'string');
    const isText = !line.includes('\\u') || !hasLoneSurrogate(JSON.stringify([name, tx, meta]));
    if (name === '' || !isMeta || !isText) {
      throw new Refused('could not read a request: it has no `type`, or its `meta` is not up to 256 texts');
    }
    const isKnown = items === undefined || items === null || items === 'caller' || items === 'callee' || items === 'both';
    if (!isKnown || (items && (isOneway || this.#itemBytes === 0))) {
      throw new Refused(`could not accept \`${name}\`: this side or the other one takes no items`);
    }
    if (!isOneway && (this.#serving.has(tx) || this.#serving.size >= this.takesRequests)) {
      throw new Refused(`could not accept \`${name}\`: the id ${tx} is in use, or too many requests are`);
    }
    if (typeof (timeout ?? 0) !== 'number') throw new Refused(`could not accept \`${name}\`: its timeout is no number`);
    const limit = timeout as number;
    const context = new Context(this, tx, name, meta, limit > 0 && limit < 1e15 ? performance.now() + limit : undefined);
    const write = (frame: string) => this.write(frame);
    if (items === 'caller' || items === 'both') context.received = new Items(write, tx, 'callee');
    if (items === 'callee' || items === 'both') context.sent = new Sent(write, tx, 'callee', this.#itemBytes);
    if (!isOneway) this.#serving.set(tx, context);
    // Names such as `toString` are not those of a handler.
    const handler = Object.hasOwn(this.handlers, name) ? this.handlers[name] : undefined;
    let refusal: CallError | undefined;
    if (this.refuses) refusal = new CallError('the worker is ending', { code: 'IW_CLOSED' });
    else if (handler === undefined || meta['iw-service'] !== undefined) {
      refusal = new CallError(`there is no message \`${name}\``, { code: 'IW_UNKNOWN_MESSAGE' });
    } else if (hasLoneSurrogate(line)) {
      refusal = new CallError(`could not decode \`${name}\`: it has half of a character`, { code: 'IW_DECODE' });
    }
    if (handler === undefined || refusal !== undefined) {
      if (!isOneway) this.#finish(context, this.#error(context, refusal, refusal?.code));
    } else if (isOneway) {
      // One after the other, in order of arrival.
      this.#oneways.push(() => this.#start(context, handler, payload, true));
      if (this.#oneways.length === 1) this.#oneways[0]!();
    } else {
      this.#start(context, handler, payload, false);
    }
  }

  #start(context: Context, handler: Handler, payload: unknown, isOneway: boolean): void {
    const done = (result: unknown) => this.#finish(context, this.#reply(context, result), isOneway);
    const failed = (error: unknown) => this.#finish(context, this.#error(context, error), isOneway);
    try {
      let result = handler(payload ?? {}, context);
      if (isIterator(result)) result = this.#sendResult(context, result);
      if (isPromise(result)) result.then(done, failed);
      else done(result);
    } catch (error) {
      failed(error);
    }
  }

  /** Sends the items of a generator. Leaving the loop ends the generator. */
  async #sendResult(context: Context, items: ItemSource): Promise<void> {
    const { sent } = context;
    if (!sent) throw new CallError(`\`${context.name}\` answers with a stream`, { code: 'IW_DECODE' });
    for await (const item of items) if (!(await sent.send(item))) return;
  }

  #reply(context: Context, result: unknown): string {
    if (context.isCancelled) return this.#error(context, cancelled());
    const head = `{"tx":${JSON.stringify(context.id)},"type":${JSON.stringify(`${context.name}Result`)},"kind":"reply"`;
    try {
      return result === undefined || result === null ? `${head}}` : `${head},"payload":${encode(result)}}`;
    } catch (error) {
      const cause = error instanceof Error ? error.message.split('\n')[0] : error;
      return this.#error(context, new CallError(`could not encode the reply of \`${context.name}\`: ${cause}`, { code: 'IW_ENCODE' }));
    }
  }

  #error(context: Context, error: unknown, code?: string): string {
    const made = toPayload(context.isCancelled ? cancelled() : error);
    const payload = code === undefined ? made : { ...(made as object), code };
    let json;
    try {
      json = encode(payload);
    } catch {
      // Its data is no JSON, or its text no UTF-8.
      json = JSON.stringify({ message: Buffer.from(String(error)).toString(), name: 'Error' });
    }
    return `{"tx":${JSON.stringify(context.id)},"type":${JSON.stringify(`${context.name}Error`)},"kind":"error","payload":${json}}`;
  }

  #finish(context: Context, answer: string, isOneway = false): void {
    if (isOneway) {
      this.#oneways.shift();
      if (this.#oneways.length > 0) setImmediate(this.#oneways[0]!);
    } else if (this.#serving.delete(context.id)) {
      context.end(undefined);
      try {
        this.write(answer);
      } catch (error) {
        try {
          this.write(this.#error(context, error));
        } catch (refused) {
          // Not even an error fits: its peer would wait forever.
          this.fail(refused as CallError);
        }
      }
    }
    this.endIfDrained();
  }

  // Calls out.

  /** Sends a request, with a stream of `items` if there is one. Resolves to its answer. */
  async call(name: string, payload?: unknown, options: CallOptions = {}, ownTimeout = true): Promise<unknown> {
    const { answer } = await this.#request(name, payload, options, ownTimeout, false);
    return answer;
  }

  /** Sends a request that is answered with items. Leaving the loop over them cancels it. */
  async *stream(name: string, payload?: unknown, options: CallOptions = {}, ownTimeout = true): AsyncGenerator<unknown, void> {
    const { call, answer } = await this.#request(name, payload, options, ownTimeout, true);
    try {
      yield* call.received!;
      await answer;
    } finally {
      this.#cancel(call, cancelled());
    }
  }

  /** Sends a oneway message, which gets no answer. */
  async send(name: string, payload?: unknown, metadata?: Record<string, string>): Promise<void> {
    const body = payload === undefined ? undefined : encode(payload);
    await this.#admission(name, metadata, () => this.#usedOnewayBytes >= this.#onewayBytes);
    this.write(request(String(++this.#lastId), name, body, { kind: 'oneway', meta: metadata }));
    this.#usedOnewayBytes += Math.max(4096, size(name, body, metadata));
  }

  async #request(name: string, payload: unknown, options: CallOptions, ownTimeout: boolean, isStream: boolean) {
    const { timeout, metadata, items, signal } = options;
    const direction = items && isStream ? 'both' : isStream ? 'callee' : items ? 'caller' : undefined;
    if (direction !== undefined && this.#itemBytes === 0) {
      const cause = 'the peer has not announced that it takes items';
      throw new CallError(`could not call \`${name}\`: ${cause}`, { code: 'IW_UNSUPPORTED' });
    }
    if (signal?.aborted) throw cancelled();
    const body = payload === undefined ? undefined : encode(payload);
    await this.#admission(name, metadata, () =>
      this.#calls.size >= this.#maxRequests || this.#usedRequestBytes >= this.#requestBytes);
    const tx = String(++this.#lastId);
    // A name that looks like an answer needs its kind.
    const kind = /(Result|Error)$/.test(name) ? 'request' : undefined;
    const limit = ownTimeout && timeout ? Math.max(1, Math.round(timeout)) : undefined;
    this.write(request(tx, name, body, { kind, timeout: limit, items: direction, meta: metadata }));
    const write = (frame: string) => this.write(frame);
    const call: Call = {
      tx, name, size: size(name, body, metadata), isCancelled: false, resolve: () => {}, reject: () => {},
      received: isStream ? new Items(write, tx, 'caller') : undefined,
      sent: items ? new Sent(write, tx, 'caller', this.#itemBytes) : undefined,
    };
    this.#calls.set(tx, call);
    this.#usedRequestBytes += call.size;
    const answered = new Promise<unknown>((resolve, reject) => Object.assign(call, { resolve, reject }));
    if (items) void this.#sendItems(call, items);
    const cause = `it was not answered within ${timeout} ms; raise the timeout`;
    const expire = () => this.#cancel(call, new CallError(`could not complete \`${name}\`: ${cause}`, { code: 'IW_TIMEOUT' }));
    const expiry = timeout ? setTimeout(expire, timeout) : undefined;
    const abort = () => this.#cancel(call, cancelled());
    signal?.addEventListener('abort', abort);
    const answer = answered.finally(() => {
      clearTimeout(expiry);
      signal?.removeEventListener('abort', abort);
    });
    if (isStream) answer.catch(() => {}); // The stream reports it.
    return { call, answer };
  }

  async #sendItems(call: Call, items: ItemSource): Promise<void> {
    try {
      for await (const item of items) if (!(await call.sent!.send(item))) return;
      call.sent!.end();
    } catch (error) {
      this.#cancel(call, error); // An end would make the items before look like all of them.
    }
  }

  /** Ends a call here. Unless it was answered, it counts until its answer has arrived. */
  #cancel(call: Call, error: unknown): void {
    if (this.#calls.get(call.tx) !== call || call.isCancelled) return;
    call.isCancelled = true;
    endCall(call, error, undefined);
    this.write(`{"kind":"cancel","tx":"${call.tx}"}`);
  }

  #answered(tx: string, payload: unknown, isError: boolean, line: string): void {
    const call = this.#calls.get(tx);
    if (!call) return;
    this.#calls.delete(tx);
    this.#usedRequestBytes -= call.size;
    let error = isError ? fromPayload(payload) : undefined;
    if (!isError && hasLoneSurrogate(line)) {
      error = new CallError(`could not decode the reply of \`${call.name}\``, { code: 'IW_DECODE' });
    }
    endCall(call, error, payload ?? undefined);
    this.#admit();
  }

  /** Waits until the other side takes more. */
  async #admission(name: string, metadata: Record<string, string> | undefined, isFull: () => boolean): Promise<void> {
    while (!this.isClosed && isFull()) {
      if (metadata?.['iw-chain'] !== undefined) {
        const cause = 'the peer takes no further call until one has ended, and that may wait for this one';
        throw new CallError(`could not call \`${name}\`: ${cause}`, { code: 'IW_WOULD_DEADLOCK' });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.isClosed) {
      throw new CallError(`could not call \`${name}\`: the connection is closed or closing`, { code: 'IW_CLOSED' });
    }
  }

  #admit(): void {
    this.#waiting.shift()?.();
  }

  // The end.

  goAway(payload?: string): void {
    this.write(payload === undefined ? '{"kind":"go_away"}' : `{"kind":"go_away","payload":"${payload}"}`);
  }

  /** Starts no further calls. */
  close(): void {
    this.isClosed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** A handler runs. */
  get isBusy(): boolean {
    return this.#serving.size > 0 || this.#oneways.length > 0;
  }

  endIfDrained(): void {
    if (this.isDraining && !this.isBusy) this.end();
  }

  /** Sends what is queued, and ends the stream. */
  end(): void {
    this.close();
    this.flush();
    this.#hasEnded = true;
    this.#writer.end(() => this.lost());
  }

  fail(error: CallError): void {
    this.error ??= error;
    this.#hasGone = true;
    this.end();
  }

  /** The stream has ended. */
  lost(): void {
    this.#hasGone = true;
    this.#hasEnded = true;
    this.close();
    for (const context of this.#serving.values()) context.end(cancelled());
    this.#setEnded();
  }

  failCalls(makeError: (name: string) => unknown): void {
    for (const call of this.#calls.values()) endCall(call, makeError(call.name), undefined);
    this.#calls.clear();
  }
}

function endCall(call: Call, error: unknown, payload: unknown): void {
  call.sent?.close();
  call.received?.close(error);
  if (error === undefined) call.resolve(payload);
  else call.reject(error);
}

function text(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Refused('could not read a frame: it is not UTF-8');
  return bytes.toString();
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as Promise<unknown>).then === 'function';
}

/** True for what a generator function returns, and not for an array, a text or a set. */
function isIterator(value: unknown): value is ItemSource {
  if (typeof value !== 'object' || value === null) return false;
  const iterable = value as AsyncIterable<unknown> & Iterable<unknown> & Iterator<unknown>;
  return typeof iterable[Symbol.asyncIterator] === 'function' || (typeof iterable.next === 'function' && typeof iterable[Symbol.iterator] === 'function');
}

function count(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new Refused('could not read a frame: its `payload` is no number of bytes');
}

/** Bytes of a message for admission. The ids of this side are short and count nothing. */
function size(name: string, body: string | undefined, metadata: Record<string, string> | undefined): number {
  const meta = metadata === undefined ? '' : Object.entries(metadata).flat().join('');
  return Buffer.byteLength(name) + Buffer.byteLength(body ?? '') + Buffer.byteLength(meta);
}

function request(tx: string, name: string, body: string | undefined, more: object): string {
  const rest = JSON.stringify({ type: name, tx, ...more });
  return body === undefined ? rest : `${rest.slice(0, -1)},"payload":${body}}`;
}
