// A host: starts a worker process, and calls it.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, watch } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process, { env } from 'node:process';
import { type CallOptions, Connection, type Handlers } from './connection.ts';
import { CallError, Crashed } from './errors.ts';
import { type Hello, ITEM_BYTES, check, decode, encode, hello } from './wire.ts';
import { CHANNEL, STARTUP_DATA } from './worker.ts';

const OUTPUT_BYTES = 4096; // Kept of what a worker prints.
const MAX_PATH_BYTES = 103; // Of the address of a socket, on macOS. Linux takes 107.
const CALLBACKS = 64; // Taken from a worker at once.
const TRANSPORT = 'worker-socket';

export interface SpawnOptions {
  /** Data for the worker, before its first call. */
  startup?: unknown;
  /** What the worker may call. */
  serve?: Handlers;
  /** Timeout of its calls in milliseconds, 0 for none. Default: 5 minutes. */
  timeout?: number;
  /** Time in milliseconds until the worker must be ready. Default: 10 s. */
  startTimeout?: number;
  /** Added to the environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** Gets what the worker prints. */
  onOutput?: (data: Buffer) => void;
}

/** A worker process. It prints to its host, which keeps the end for the error of a crash. */
export class Worker {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly #exited: Promise<void>;
  readonly #timeout: number;
  #connection: Connection | undefined;
  #isClosing = false;
  #output = Buffer.alloc(0);

  private constructor(child: ChildProcess, folder: string, options: SpawnOptions) {
    this.process = child;
    this.pid = child.pid ?? 0;
    this.#timeout = options.timeout ?? 300_000;
    const keep = (data: Buffer) => {
      this.#output = Buffer.concat([this.#output, data]).subarray(-OUTPUT_BYTES);
      options.onOutput?.(data);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.#exited = new Promise((resolve) => {
      child.once('close', resolve);
      // Another process may hold the output open.
      child.once('exit', () => setTimeout(resolve, 500).unref());
    }).then(() => rmSync(folder, { recursive: true, force: true }));
  }

  /** Starts a process and waits until it is ready. */
  static async spawn(program: string, args: string[] = [], options: SpawnOptions = {}): Promise<Worker> {
    const folder = mkdtempSync(join(tmpdir(), 'iw-'));
    const socketPath = join(folder, 'worker.sock');
    const limit = options.startTimeout ?? 10_000;
    if (Buffer.byteLength(socketPath) > MAX_PATH_BYTES) {
      rmSync(folder, { recursive: true });
      const cause = `the path of its socket is too long: ${socketPath}; set TMPDIR to a shorter folder`;
      throw new CallError(`could not start the worker ${program}: ${cause}`, { code: 'IW_SPAWN' });
    }
    const data = { driver: 'child_process', socketPath, serializer: 'JsonSerializer', serverConnectTimeout: limit, handshake: true };
    const environment: NodeJS.ProcessEnv = { ...env, ...options.env, [STARTUP_DATA]: JSON.stringify(data) };
    delete environment[CHANNEL];
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'], env: environment, detached: true, ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    failed.catch(() => {});
    if (child.pid === undefined) {
      rmSync(folder, { recursive: true });
      const error = await failed.catch((error: unknown) => error);
      throw new CallError(`could not start the worker ${program}: ${error}; check the path`, { code: 'IW_SPAWN' });
    }
    const self = new Worker(child, folder, options);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(self.#startError(`was not ready within ${limit} ms and was killed`)), limit);
    });
    const gone = self.#exited.then(() => {
      throw self.#startError(`${self.reason} before it was ready`);
    });
    gone.catch(() => {});
    try {
      await Promise.race([self.#start(folder, socketPath, options), late, gone]);
    } catch (error) {
      self.kill();
      await self.#exited;
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return self;
  }

  async #start(folder: string, socketPath: string, options: SpawnOptions): Promise<void> {
    const socket = await connected(folder, socketPath, this.process);
    let onGreeted: (theirs: Hello) => void;
    const greeted = new Promise<Hello>((resolve) => (onGreeted = resolve));
    const connection = new Connection(socket, options.serve ?? {}, (line) => {
      const theirs = check(decode(line), TRANSPORT);
      connection.greet(theirs);
      onGreeted(theirs);
      return 0;
    });
    connection.onGoAway = () => {
      if (connection.isClosed) return;
      connection.close(); // The worker ends. No request is on its way.
      connection.goAway();
    };
    connection.takesRequests = CALLBACKS;
    this.#connection = connection;
    socket.on('data', (data) => connection.receive(data)).on('error', () => connection.lost());
    socket.on('end', () => connection.lost()).on('close', () => connection.lost());
    const startup = options.startup === undefined ? '' : encode(options.startup);
    const own = hello(TRANSPORT, {
      token: randomUUID(),
      features: options.serve ? ['callbacks'] : [],
      admission: { requests: CALLBACKS, item_bytes: ITEM_BYTES },
      ...(startup === '' ? {} : { startup: Buffer.byteLength(startup) }),
    });
    connection.flush(`${JSON.stringify(own)}\n${startup}`);
    const theirs = await Promise.race([greeted, connection.ended]);
    if (connection.error) throw connection.error;
    if (!theirs) return await this.#exited; // The reason is how the process ends.
    if (theirs.declined !== undefined) throw this.#startError(`declined to start: ${theirs.declined}`);
    void this.#supervise(connection, socket);
  }

  /** Calls a message, with a stream of items if there is one. */
  async call(name: string, payload?: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.#link.call(name, payload, this.#limit(options), options.timeout !== undefined);
  }

  /** Calls a message that answers with items: `for await (const item of worker.stream(...))`. */
  stream(name: string, payload?: unknown, options: CallOptions = {}): AsyncGenerator<unknown, void> {
    return this.#link.stream(name, payload, this.#limit(options), options.timeout !== undefined);
  }

  /** Sends a oneway message. */
  async send(name: string, payload?: unknown, metadata?: Record<string, string>): Promise<void> {
    await this.#link.send(name, payload, metadata);
  }

  get isActive(): boolean {
    return !this.#link.isClosed;
  }

  /** The end of what the worker has printed. */
  get output(): string {
    return this.#output.toString().trim();
  }

  /** How the process has ended. */
  get reason(): string {
    const { exitCode, signalCode } = this.process;
    return signalCode === null ? `exited with code ${exitCode}` : `was killed by ${signalCode}`;
  }

  /** Lets the worker finish its calls, and closes it. */
  async drain(timeout = 30_000): Promise<void> {
    this.#link.close();
    this.#link.goAway('drain');
    await within(timeout, this.#link.ended);
    await this.close();
  }

  /** Asks the worker to end, then sends SIGTERM, then SIGKILL. Calls in flight fail. */
  async close(timeout = 5000): Promise<void> {
    this.#isClosing = true;
    if (this.isActive || this.process.exitCode === null) {
      this.#link.goAway();
      this.#link.end();
    }
    for (const signal of [undefined, 'SIGTERM', 'SIGKILL'] as const) {
      if (signal) this.#signal(signal);
      if (await within(timeout, this.#exited.then(() => true))) return;
    }
  }

  /** Kills the worker and what it has started. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  /** Waits for the end of the process. Resolves to its reason. */
  async closed(): Promise<string> {
    await this.#exited;
    return this.reason;
  }

  get #link(): Connection {
    return this.#connection!;
  }

  #limit(options: CallOptions): CallOptions {
    return { ...options, timeout: options.timeout ?? this.#timeout };
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.process.exitCode === null && this.process.signalCode === null) process.kill(-this.pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }

  #startError(cause: string): CallError {
    return new CallError(`the worker (pid ${this.pid}) ${cause}${this.#lastWords}`, { code: 'IW_STARTUP' });
  }

  get #lastWords(): string {
    return this.output === '' ? '' : `; its last output: ${this.output}`;
  }

  /** Waits for the end of the connection, and explains it to the calls in flight. */
  async #supervise(connection: Connection, socket: Socket): Promise<void> {
    await connection.ended;
    if (!this.#isClosing && !(await within(1000, this.#exited.then(() => true)))) this.kill();
    if (!this.#isClosing) await this.#exited;
    socket.destroy();
    connection.failCalls((name) => {
      if (this.#isClosing) return new CallError(`the worker was closed while \`${name}\` was in flight`, { code: 'IW_CLOSED' });
      const text = `the worker (pid ${this.pid}) ${this.reason} while \`${name}\` was in flight${this.#lastWords}`;
      return connection.error ?? new Crashed(text, this.process.exitCode, this.process.signalCode, this.output);
    });
  }
}

/** Connects to the worker as soon as it listens. The socket may exist before that. */
async function connected(folder: string, path: string, child: ChildProcess): Promise<Socket> {
  let wake = () => {};
  const watcher = watch(folder, () => wake());
  try {
    while (child.exitCode === null && child.signalCode === null) {
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const socket = connect(path);
      const error = await new Promise((resolve) => socket.once('connect', () => resolve(null)).once('error', resolve));
      if (error === null) return socket;
      await within(10, changed);
    }
  } finally {
    watcher.close();
  }
  return new Promise<never>(() => {}); // The end of the process is the error.
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
