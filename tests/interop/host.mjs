// A host written from docs/wire.md alone. It knows the keys `type`, `payload` and `tx`.
// Arguments: the case to run, and the path of the worker program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env } from 'node:process';

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
  #rest = '';

  constructor(socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (data) => {
      const lines = (this.#rest + data).split('\n');
      this.#rest = lines.pop();
      for (const line of lines) {
        const answer = JSON.parse(line);
        this.#calls.get(answer.tx)(answer);
        this.#calls.delete(answer.tx);
      }
    });
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
