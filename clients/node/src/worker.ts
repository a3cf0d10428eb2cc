// A worker: finds its host in the environment, and serves it until the stream ends.

import { fstatSync, openSync } from 'node:fs';
import { type Server, Socket, createServer } from 'node:net';
import process, { env } from 'node:process';
import { Connection, type Handlers } from './connection.ts';
import { CallError, Refused } from './errors.ts';
import { type Hello, ITEM_BYTES, MAX_FRAME, MAX_REQUESTS, check, decode, hello, isHello } from './wire.ts';

export const CHANNEL = 'ISOLATED_WORKERS_CHANNEL';
export const STARTUP_DATA = 'ISOLATED_WORKERS_STARTUP_DATA';
const ORPHAN_MS = 3000; // Time for handlers to end after the host is gone.

interface Attached {
  transport: string;
  hasHandshake: boolean;
  reader: Socket;
  writer: Socket;
  /** Bytes that come before the protocol. */
  skip?: number;
}

/** True if a host has started this process, and `serve` was not called yet. */
export function isWorker(): boolean {
  return ownChannel() !== undefined || env[STARTUP_DATA] !== undefined;
}

/**
 * Answers the host until it ends. `handlers`: functions by the names of their messages, or a
 * function that makes them from the startup data. Rejects if host and worker do not match. The
 * process ends 3 s after its host, even if a handler, a timer or a socket would keep it alive.
 */
export async function serve(handlers: Handlers | ((startup: unknown) => Handlers | Promise<Handlers>)): Promise<void> {
  const { transport, hasHandshake, reader, writer, skip = 0 } = await attach();
  let onGreeted: (own: Hello | undefined) => void;
  const greeted = new Promise<Hello | undefined>((resolve) => (onGreeted = resolve));
  let hasStartup = false;
  const onHello = (line: string): number => {
    const own = hello(transport, { token: '', admission: { requests: MAX_REQUESTS, item_bytes: ITEM_BYTES } });
    const theirs = decode(line);
    try {
      connection.greet(check(theirs, transport));
    } catch (error) {
      if (isHello(theirs)) connection.flush(`${JSON.stringify(own)}\n`); // The host can report the difference, too.
      throw error;
    }
    const { startup, features } = theirs as Hello;
    connection.mayCall = features?.includes('callbacks') ?? false;
    if (startup !== undefined && (startup === 0 || startup > MAX_FRAME)) {
      throw new Refused('could not accept the startup data: its size is invalid', 'IW_STARTUP');
    }
    hasStartup = startup !== undefined;
    onGreeted(own);
    return startup ?? 0;
  };
  const connection = new Connection(writer, {}, hasHandshake ? onHello : undefined);
  connection.onGoAway = (payload) => onGoAway(connection, payload);
  let toSkip = skip;
  const receive = (data: Buffer) => {
    const skipped = Math.min(toSkip, data.length);
    toSkip -= skipped;
    if (data.length > skipped) connection.receive(data.subarray(skipped));
  };
  reader.on('end', () => connection.lost()).on('close', () => connection.lost()).on('error', () => connection.lost());
  if (writer !== reader) writer.on('error', () => connection.lost());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(connection, hasHandshake));
  if (hasHandshake) reader.on('data', receive);
  const own = hasHandshake ? await Promise.race([greeted, connection.ended]) : undefined;
  const startup = hasStartup ? await Promise.race([connection.startup, connection.ended]) : undefined;
  let reason: unknown;
  if (!hasHandshake || own) {
    try {
      connection.handlers = typeof handlers === 'function' ? await handlers(startup ? decode(startup) : undefined) : handlers;
    } catch (error) {
      reason = error;
    }
    if (own) connection.flush(`${JSON.stringify({ ...own, ...(reason === undefined ? {} : { declined: String(reason) }) })}\n`);
    if (reason !== undefined) connection.end();
    else if (!hasHandshake) reader.on('data', receive);
    if (reason === undefined) await connection.ended;
  }
  reader.destroy();
  setTimeout(() => process.exit(connection.isBusy ? 1 : undefined), ORPHAN_MS).unref();
  if (reason ?? connection.error) throw reason ?? connection.error;
}

function onGoAway(connection: Connection, payload: unknown): void {
  if (payload === 'prepare_detach' || payload === 'detach') return; // This worker cannot leave its host.
  if (payload === 'drain' && !connection.isDraining) connection.goAway();
  if (payload === 'drain' || connection.isStopping) {
    connection.isStopping = false;
    connection.isDraining = true;
    connection.endIfDrained();
  } else {
    connection.end();
  }
}

/** A signal: the host answers the go-away when no request is on its way. */
function stop(connection: Connection, hasHandshake: boolean): void {
  if (hasHandshake && Object.keys(connection.handlers).length === 0) {
    connection.end(); // It is not ready, and the host expects its line first.
  } else if (hasHandshake) {
    connection.isStopping = true;
    connection.goAway();
  } else {
    connection.refuses = true;
    connection.isDraining = true;
    connection.endIfDrained();
  }
}

function identity(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor, { bigint: true });
  return `${dev.toString(16)}-${ino.toString(16)}`;
}

/** Transport and address, if they are those of this process: a child inherits the variable, too. */
function ownChannel(): { transport: string; address: string } | undefined {
  const value = env[CHANNEL] ?? '';
  const [transport, address] = [value.slice(0, value.indexOf(':')), value.slice(value.indexOf(':') + 1)];
  try {
    const isOwn =
      transport === 'unix-socket' ? !address.startsWith('pair:') || address === `pair:${identity(0)}`
      : transport === 'socket-pair' ? address === identity(0)
      // `remote`: a program such as ssh has connected the streams of this process.
      : transport === 'stdio' ? address === 'remote' || address === `${identity(0)},${identity(1)}`
      : transport === 'named-pipe' && address.startsWith(`${identity(0)}:`);
    return isOwn ? { transport, address } : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the stream of the host. */
async function attach(): Promise<Attached> {
  const [channel, data] = [ownChannel(), env[STARTUP_DATA]];
  delete env[CHANNEL];
  delete env[STARTUP_DATA];
  if (channel === undefined) {
    const cause = 'this program is a worker and was not started by a host; start it by a host';
    if (data === undefined) throw new CallError(cause, { code: 'IW_STARTUP' });
    return listen(JSON.parse(data));
  }
  const { transport, address } = channel;
  if (transport === 'unix-socket' && !address.startsWith('pair:')) {
    const reader = await accept(createServer().listen({ fd: 0 }));
    return { transport, hasHandshake: true, reader, writer: reader };
  }
  const reader = new Socket({ fd: 0, readable: true, writable: transport.endsWith('socket') || transport === 'socket-pair' });
  if (transport === 'stdio') {
    const writer = new Socket({ fd: 1, readable: false, writable: true });
    // What is printed does not touch the channel.
    process.stdout.write = process.stderr.write.bind(process.stderr);
    return { transport, hasHandshake: true, reader, writer };
  }
  if (transport === 'named-pipe') {
    const writer = new Socket({ fd: openSync(address.slice(address.indexOf(':') + 1), 'w'), readable: false, writable: true });
    writer.write('o');
    return { transport, hasHandshake: true, reader, writer };
  }
  // A byte comes first, and with it a socket for later hosts, which the system closes.
  return { transport, hasHandshake: true, reader, writer: reader, skip: transport === 'unix-socket' ? 1 : 0 };
}

/** Listens where a host in Node.js connects. */
async function listen(data: { socketPath: string; serializer?: string; serverConnectTimeout?: number; handshake?: boolean }): Promise<Attached> {
  const codec = data.serializer ?? 'json';
  if (codec !== 'json' && codec !== 'JsonSerializer') {
    throw new CallError(`the codec of this worker is json, that of the host is ${codec}`, { code: 'IW_HANDSHAKE' });
  }
  const reader = await accept(createServer().listen(data.socketPath), data.serverConnectTimeout);
  return { transport: 'worker-socket', hasHandshake: data.handshake ?? false, reader, writer: reader };
}

/** Accepts one host. The server removes its socket when it closes. */
async function accept(server: Server, timeout = 0): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const expire = () => {
      server.close();
      reject(new CallError(`the host did not connect within ${timeout} ms`, { code: 'IW_STARTUP' }));
    };
    const expiry = timeout > 0 ? setTimeout(expire, timeout) : undefined;
    server.on('error', reject).once('connection', (socket) => {
      clearTimeout(expiry);
      server.close();
      resolve(socket);
    });
  });
}
