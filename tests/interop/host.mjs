// A host written from docs/wire.md alone. It knows the keys `type`, `payload` and `tx`, and those of streams.
// Arguments: the case to run, and the path of the worker program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, pid } from 'node:process';
import { ITEM_BYTES, ReceivedItems, SentItems } from './items.mjs';

const [, , name, program] = argv;
const folder = mkdtempSync(join(tmpdir(), 'interop-'));
const socketPath = join(folder, `worker-${randomUUID()}.sock`);

function start(startup = {}, args = [], stdio = 'pipe') {
  const data = { driver: 'child_process', socketPath, serializer: 'JsonSerializer', serverConnectTimeout: 30000 };
  const value = JSON.stringify({ ...data, ...startup });
  const child = spawn(program, args, { stdio, env: { ...env, ISOLATED_WORKERS_STARTUP_DATA: value } });
  child.ended = once(child, 'exit');
  child.stderrText = '';
  child.stderr?.setEncoding('utf8').on('data', (data) => (child.stderrText += data));
  return child;
}

// Connects to the worker. The socket may be bound before it listens.
async function connected() {
  const changes = watch(folder);
  try {
    for (;;) {
      const change = once(changes, 'change');
      const socket = connect(socketPath);
      try {
        await once(socket, 'connect');
        return socket;
      } catch (error) {
        if (error.code === 'ENOENT') await change;
        else if (error.code !== 'ECONNREFUSED') throw error;
      }
    }
  } finally {
    changes.close();
  }
}

class Host {
  #calls = new Map();
  #streams = new Map();
  #hello;
  #rest = '';

  constructor(socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (data) => {
      const lines = (this.#rest + data).split('\n');
      this.#rest = lines.pop();
      for (const line of lines) {
        const frame = JSON.parse(line);
        if (frame.kind === 'item') this.#streams.get(frame.tx).received.push(frame.payload, line);
        else if (frame.kind === 'item_credit') this.#streams.get(frame.tx).sent.credit(frame.payload);
        else if (frame['isolated-workers']) this.#hello(frame);
        else this.#answered(frame);
      }
    });
  }

  #answered(answer) {
    this.#calls.get(answer.tx)(answer);
    this.#calls.delete(answer.tx);
    const { received, sent } = this.#streams.get(answer.tx) ?? {};
    this.#streams.delete(answer.tx);
    received?.end(answer.kind === 'error' ? answer.payload : null);
    sent?.close();
  }

  // Announces that this host takes items. Returns what the worker announces.
  greet() {
    const hello = { 'isolated-workers': 1, codec: 'json', transport: 'worker-socket', pid, build: 'node' };
    this.socket.write(JSON.stringify({ ...hello, admission: { item_bytes: ITEM_BYTES } }) + '\n');
    return new Promise((resolve) => (this.#hello = resolve));
  }

  // Makes a call with streams. `items`: who sends some.
  stream(type, payload, items) {
    const tx = randomUUID();
    const write = (frame) => this.socket.write(JSON.stringify(frame) + '\n');
    const received = new ReceivedItems(write, tx, 'caller');
    const sent = new SentItems(write, tx, 'caller', this.workerItemBytes);
    this.#streams.set(tx, { received, sent });
    const answer = this.send(JSON.stringify({ type, payload, tx, items }) + '\n', tx);
    const cancel = () => {
      sent.close();
      write({ kind: 'cancel', tx });
    };
    return { received, sent, answer, cancel };
  }

  send(line, tx) {
    this.socket.write(line);
    return new Promise((resolve) => this.#calls.set(tx, resolve));
  }

  call(type, payload, tx = randomUUID()) {
    return this.send(JSON.stringify({ type, payload, tx }) + '\n', tx);
  }
}

async function started() {
  const child = start();
  return { child, host: new Host(await connected()) };
}

async function greeted() {
  const child = start({ handshake: true });
  const host = new Host(await connected());
  const hello = await host.greet();
  host.workerItemBytes = hello.admission.item_bytes;
  return { child, host };
}

async function collect(items) {
  const collected = [];
  for await (const item of items) collected.push(item);
  return collected;
}

async function sendNumbers(sent, end) {
  for (let number = 0; number < end; number++) await sent.send(number);
  sent.end();
}

async function closed({ child, host }) {
  host.socket.end();
  assert.deepEqual(await child.ended, [0, null], child.stderrText);
  assert.equal(child.stderrText, '');
  assert.ok(!existsSync(socketPath), 'the socket file remains');
}

const cases = {
  async calls() {
    const worker = await started();
    const { host } = worker;
    const sum = await host.call('add', { a: 5, b: 3 }, 'the sum');
    assert.equal(sum.type, 'addResult');
    assert.deepEqual([sum.tx, sum.payload], ['the sum', 8]);
    const nothing = await host.call('nothing');
    assert.equal(nothing.type, 'nothingResult');
    assert.ok(!('payload' in nothing));
    for (const payload of [null, {}]) {
      assert.equal((await host.call('nothing', payload)).type, 'nothingResult');
    }
    await closed(worker);
  },

  async errors() {
    const worker = await started();
    const boom = await worker.host.call('boom');
    assert.equal(boom.type, 'boomError');
    assert.deepEqual(boom.payload, { message: 'a boom of size 3', name: 'Boom', data: { size: 3 } });
    const unknown = await worker.host.call('nope');
    assert.equal(unknown.type, 'nopeError');
    assert.match(unknown.payload.message, /has no message `nope`/);
    assert.equal(unknown.payload.code, 'IW_UNKNOWN_MESSAGE');
    const undecodable = await worker.host.call('add', { a: 'one' });
    assert.equal(undecodable.payload.code, 'IW_DECODE');
    const inherited = await worker.host.call('toString');
    assert.equal(inherited.type, 'toStringError');
    await closed(worker);
  },

  async names() {
    const worker = await started();
    for (const name of ['getResult', 'fooError']) {
      const answer = await worker.host.call(name);
      assert.deepEqual([answer.type, answer.payload], [`${name}Result`, name]);
    }
    await closed(worker);
  },

  async ids() {
    const worker = await started();
    for (const tx of ['', '7', '007', 'C0FFEE', randomUUID().toUpperCase(), 'a "b"\\\n\u0000ü😀']) {
      const answer = await worker.host.call('echo', { text: tx }, tx);
      assert.deepEqual([answer.tx, answer.payload], [tx, tx]);
    }
    await closed(worker);
  },

  async many() {
    const worker = await started();
    const calls = 500;
    const answers = [...Array(calls).keys()].map((number) => worker.host.call('gather', { calls, number }));
    const numbers = (await Promise.all(answers)).map((answer) => answer.payload);
    assert.deepEqual(numbers, [...Array(calls).keys()]);
    await closed(worker);
  },

  async torn() {
    const worker = await started();
    const { host } = worker;
    const text = 'a € and a 😀';
    const bytes = Buffer.from(`\n \t\r\n{"type":"echo","payload":{"text":"${text}"},"tx":"torn"}\r\n`);
    const answer = host.send('', 'torn');
    for (const byte of bytes) await new Promise((resolve) => host.socket.write(Uint8Array.of(byte), resolve));
    assert.equal((await answer).payload, text);
    await closed(worker);
  },

  async large() {
    const worker = await started();
    const text = 'ü'.repeat(1 << 19);
    const answers = await Promise.all([1, 2, 3].map(() => worker.host.call('echo', { text })));
    for (const answer of answers) assert.ok(answer.payload === text);
    await closed(worker);
  },

  async streams() {
    const worker = await greeted();
    const { host } = worker;
    for (const [count, size] of [[0, 0], [1, 1], [10_000, 1], [20, 100_000], [3, 1 << 20]]) {
      const { received, answer } = host.stream('texts', { count, size, fails: false }, 'callee');
      const texts = await collect(received);
      assert.equal(texts.length, count);
      assert.ok(texts.every((text) => text === 'ü'.repeat(size)));
      const { type, payload } = await answer;
      assert.deepEqual([type, payload], ['textsResult', undefined]);
    }
    for (const end of [0, 1, 10_000]) {
      const total = host.stream('total', undefined, 'caller');
      await sendNumbers(total.sent, end);
      const expected = [...Array(end).keys()].reduce((sum, number) => sum + number, 0);
      assert.equal((await total.answer).payload, expected);
      const double = host.stream('double', undefined, 'both');
      const [doubled] = await Promise.all([collect(double.received), sendNumbers(double.sent, end)]);
      assert.deepEqual(doubled, [...Array(end).keys()].map((number) => 2 * number));
    }
    await closed(worker);
  },

  async 'stream-error'() {
    const worker = await greeted();
    const { received, answer } = worker.host.stream('texts', { count: 2, size: 3, fails: true }, 'callee');
    const texts = [];
    await assert.rejects(async () => {
      for await (const text of received) texts.push(text);
    }, { message: 'a boom of size 2' });
    assert.deepEqual(texts, ['üüü', 'üüü']);
    assert.deepEqual((await answer).payload.data, { size: 2 });
    await closed(worker);
  },

  async 'stream-credit'() {
    const worker = await greeted();
    const { host } = worker;
    const { received, answer, cancel } = host.stream('endless', undefined, 'callee');
    // Nobody takes the items. The worker answers other calls.
    for (let number = 0; number < 100; number++) {
      assert.equal((await host.call('add', { a: number, b: 1 })).payload, number + 1);
    }
    const items = received[Symbol.asyncIterator]();
    for (let number = 0; number < 5_000; number++) assert.equal((await items.next()).value, number);
    // What this host announces. It counts the lines, which are longer than the payloads.
    assert.ok(received.peak <= 2 * ITEM_BYTES, `${received.peak} bytes of items were held`);
    cancel();
    const { kind, payload } = await answer;
    assert.deepEqual([kind, payload.code], ['error', 'IW_CANCELLED']);
    await host.call('wait_for_cancel');
    await closed(worker);
  },

  async 'stream-cancel'() {
    const worker = await greeted();
    const { host } = worker;
    const { sent, answer, cancel } = host.stream('total', undefined, 'caller');
    for (let number = 0; number < 10; number++) await sent.send(number);
    cancel();
    assert.equal((await answer).payload.code, 'IW_CANCELLED');
    await host.call('wait_for_cancel');
    assert.equal((await host.call('add', { a: 2, b: 3 })).payload, 5);
    await closed(worker);
  },

  async 'stream-unannounced'() {
    const worker = await started();
    void worker.host.stream('total', undefined, 'caller');
    assert.notDeepEqual(await worker.child.ended, [0, null]);
    assert.match(worker.child.stderrText, /items/);
  },

  async sigterm() {
    const { child, host } = await started();
    await host.call('nothing');
    child.kill('SIGTERM');
    assert.deepEqual(await child.ended, [0, null], child.stderrText);
    assert.ok(!existsSync(socketPath), 'the socket file remains');
  },

  async 'sigterm-unconnected'() {
    const changes = watch(folder);
    const bound = once(changes, 'change');
    const child = start();
    await bound;
    changes.close();
    child.kill('SIGTERM');
    assert.deepEqual(await child.ended, [0, null], child.stderrText);
    assert.ok(!existsSync(socketPath), 'the socket file remains');
  },

  async crash() {
    const { child, host } = await started();
    void host.call('exit', { code: 7 });
    assert.deepEqual(await child.ended, [7, null]);
  },

  async serializer() {
    const child = start({}, ['postcard']);
    assert.deepEqual(await child.ended, [1, null]);
    assert.match(child.stderrText, /the codec of this worker is postcard, that of the host is json/);
    assert.ok(!existsSync(socketPath));
  },

  async impatient() {
    const child = start({ serverConnectTimeout: 50 });
    assert.deepEqual(await child.ended, [1, null]);
    assert.match(child.stderrText, /the host did not connect within 50ms/);
    assert.ok(!existsSync(socketPath), 'the socket file remains');
  },

  async nonsense() {
    const child = start({ socketPath: 7 });
    assert.deepEqual(await child.ended, [1, null]);
    assert.match(child.stderrText, /ISOLATED_WORKERS_STARTUP_DATA has the invalid value/);
  },

  // Prints the folder, and kills itself with a call in flight. The worker shares its output.
  async orphan() {
    start({}, [], 'inherit');
    const host = new Host(await connected());
    void host.call('gather', { calls: 2, number: 1 });
    await host.call('nothing');
    console.log(folder);
    process.kill(process.pid, 'SIGKILL');
  },
};

try {
  await cases[name]();
} finally {
  rmSync(folder, { recursive: true });
}
