// A worker written from docs/wire.md alone. It knows the keys `type`, `payload` and `tx`, and those of streams.
// The argument selects a handshake, or a way to misbehave.
import { createServer } from 'node:net';
import { argv, env, exit, pid } from 'node:process';
import { ITEM_BYTES, ReceivedItems, SentItems } from './items.mjs';

const how = argv[2] ?? '';
if (how === 'fail') {
  console.error('no luck today');
  exit(3);
}
if (how === 'never') setInterval(() => {}, 1 << 30);
else listen(JSON.parse(env.ISOLATED_WORKERS_STARTUP_DATA).socketPath);

const notes = [];
const gathered = [];
// Requests with streams that were not answered, by their ids.
const streams = new Map();
// What the host takes in each stream.
let hostItemBytes = 0;
// Resolved when a request with streams was cancelled.
let cancelled;
const wasCancelled = new Promise((resolve) => (cancelled = resolve));

const handlers = {
  add: ({ a, b }) => a + b,
  echo: ({ text }) => text,
  nothing() {},
  note: ({ line }) => void notes.push(line),
  notes: () => notes,
  gather({ calls, number }) {
    return new Promise((resolve) => {
      gathered.push(() => resolve(number));
      // The last call is answered first.
      if (gathered.length === calls) while (gathered.length) gathered.pop()();
    });
  },
  boom() {
    throw Object.assign(new RangeError('too much'), { code: 'E_MUCH' });
  },
  text() {
    throw 'only a text';
  },
  getResult: () => 'getResult',
  fooError: () => 'fooError',
  exit({ code }) {
    console.error('requested by the test');
    exit(code);
  },
  async *texts({ count, size, fails }) {
    for (let sent = 0; sent < count; sent++) yield 'ü'.repeat(size);
    if (fails) throw Object.assign(new Error('a boom'), { data: { size: count } });
  },
  async total(_, numbers) {
    let total = 0;
    for await (const number of numbers) total += number;
    return total;
  },
  async *double(_, numbers) {
    for await (const number of numbers) yield 2 * number;
  },
  async *endless() {
    for (let number = 0; ; number++) yield number;
  },
  async stalled() {
    const [{ sent }] = streams.values();
    await sent.stalled();
    return sent.used;
  },
  wait_for_cancel: () => wasCancelled,
};

function listen(path) {
  const server = createServer((socket) => {
    // The worker serves one host.
    server.close();
    socket.setEncoding('utf8');
    let rest = '';
    let greeted = !how.startsWith('greet');
    socket.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (greeted) handle(socket, line);
        else greet(socket, line);
        greeted = true;
      }
    });
  });
  server.listen(path);
}

function greet(socket, line) {
  const host = JSON.parse(line);
  const protocol = how === 'greet-wrongly' ? 99 : host['isolated-workers'];
  const { codec, transport } = host;
  const hello = { 'isolated-workers': protocol, codec, transport, pid, build: 'node' };
  if (how === 'greet-items') hello.admission = { item_bytes: ITEM_BYTES };
  hostItemBytes = host.admission.item_bytes;
  socket.write(JSON.stringify(hello) + '\n');
}

async function handle(socket, line) {
  const frame = JSON.parse(line);
  const { type, payload, tx } = frame;
  if (streams.has(tx) && type === undefined) return arrived(streams.get(tx), frame, line);
  // Ignores every kind of frame other than requests and replies.
  if (type === undefined) return;
  let answer;
  try {
    if (!Object.hasOwn(handlers, type)) {
      notes.push(`asked for ${type}`);
      throw new Error(`Unknown message type: ${type}`);
    }
    const result = frame.items ? await stream(socket, frame) : await handlers[type](payload);
    answer = { tx, type: `${type}Result`, payload: result };
  } catch (error) {
    const { message, name, stack, code, data } = error;
    const value = error instanceof Error ? { message, name, stack, code, data } : error;
    answer = { tx, type: `${type}Error`, payload: value };
  }
  streams.delete(tx);
  send(socket, answer);
}

// Runs the handler of a request with streams. Its caller sends items, or it yields some, or both.
async function stream(socket, { type, payload, tx, items }) {
  const write = (frame) => socket.write(JSON.stringify(frame) + '\n');
  const received = new ReceivedItems(write, tx, 'callee');
  const sent = new SentItems(write, tx, 'callee', hostItemBytes);
  const call = { received, sent };
  streams.set(tx, call);
  const result = handlers[type](payload, received);
  if (items === 'caller') return await result;
  // Leaving the loop early ends the handler.
  for await (const item of result) if (!(await sent.send(item))) throw call.cancelled;
}

function arrived(call, { kind, payload }, line) {
  if (kind === 'item') call.received.push(payload, line);
  if (kind === 'items_end') call.received.end();
  if (kind === 'item_credit') call.sent.credit(payload);
  if (kind === 'cancel') {
    call.cancelled = Object.assign(new Error('cancelled'), { code: 'IW_CANCELLED' });
    call.received.end(call.cancelled);
    call.sent.close();
    cancelled();
  }
}

// Sends a line of white space first, and the frame in two pieces that split a multi-byte character.
function send(socket, frame) {
  const bytes = Buffer.from(`  \n${JSON.stringify(frame)}\n`);
  const torn = bytes.findIndex((byte) => byte >= 0x80) + 1;
  socket.write(bytes.subarray(0, torn), () => socket.write(bytes.subarray(torn)));
}
