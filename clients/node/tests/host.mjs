// Tests of the host. `host.mjs cases` plays the cases of `clients/cases.json`.
//
// `host.mjs worker COMMAND…` calls a worker of any language through all that the client can do.
// `host.mjs kill COMMAND…` kills workers while they work, and compares the answers with their journal.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process, { argv, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { CallError, Crashed, Pool, Worker } from '../dist/index.js';

const clients = fileURLToPath(new URL('../..', import.meta.url));
const python = env.PYTHON ?? 'python3';
let setNeverCancelled;
const neverWasCancelled = new Promise((resolve) => (setNeverCancelled = resolve));

const serve = {
  step: ({ done }) => done,
  *numbers({ count }) {
    for (let number = 0; number < count; number++) yield number;
  },
  never: (_, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        setNeverCancelled();
        reject(signal.reason);
      });
    }),
};

async function collect(items) {
  const collected = [];
  for await (const item of items) collected.push(item);
  return collected;
}

const range = (end) => [...Array(end).keys()];

async function fails(call, code, ...texts) {
  const error = await call.then(() => assert.fail(`no error, expected ${code}`), (error) => error);
  assert.ok(error instanceof CallError, String(error));
  if (code !== '*') assert.equal(error.code, code, String(error));
  for (const text of texts) assert.ok(error.message.includes(text), `${error}; expected: ${text}`);
  return error;
}

// Makes the call of a case. Returns its result in the form of the case.
async function play({ name, call, result, serve: serves }) {
  const args = [join(clients, 'conformance.py'), 'replay', name];
  let worker;
  try {
    worker = await Worker.spawn(python, args, serves ? { serve } : {});
  } catch (error) {
    return { start: error.code };
  }
  const options = { timeout: call.timeout, items: call.items };
  const items = [];
  const found = {};
  try {
    if (call.stream) for await (const item of worker.stream(call.name, call.payload, options)) items.push(item);
    else found.value = (await worker.call(call.name, call.payload, options)) ?? null;
  } catch (error) {
    const parts = { ...error, message: error.message, stack: error.stack, exit_code: error.exitCode, signal: error.signal && 9 };
    found.error = Object.fromEntries(Object.keys(result.error ?? { message: 0 }).map((key) => [key, parts[key]]));
  }
  if (typeof found.value === 'bigint') found.value = Number(found.value);
  if (call.stream) Object.assign(found, result.count === undefined ? { items } : { count: items.length });
  await worker.close();
  // The replay ends with the code 99 if a frame of this host was not the expected one.
  assert.notEqual(worker.process.exitCode, 99, worker.output);
  return found;
}

async function runCases() {
  const { host: cases } = JSON.parse(readFileSync(join(clients, 'cases.json'), 'utf8'));
  let failed = 0;
  for (const item of cases) {
    try {
      assert.deepEqual(await play(item), item.result);
    } catch (error) {
      failed++;
      console.log(`FAILED ${item.name}: ${error.message}`);
    }
  }
  console.log(`${cases.length - failed} of ${cases.length} cases of a host passed: Node.js`);
  assert.equal(failed, 0);
}

async function runWorker(program, ...args) {
  const worker = await Worker.spawn(program, args, { serve });
  const add = (a, b) => worker.call('add', { a, b });
  // Numbers beyond 53 bits are not rounded.
  assert.equal(await add(2n ** 61n, 1n), 2n ** 61n + 1n);
  assert.deepEqual(await worker.call('value', { value: [2n ** 63n - 1n, -(2n ** 63n), 1.5, null] }), [2n ** 63n - 1n, -(2n ** 63n), 1.5, null]);
  assert.equal(await worker.call('add_blocking', { a: -5, b: 3 }), -2);
  assert.equal(await worker.call('echo', { text: 'a € and a 😀' }), 'a € and a 😀');
  assert.equal(await worker.call('invert', { content: Buffer.from('abc') }), 'np2c');
  const large = 'ü'.repeat(1 << 19);
  for (const text of await Promise.all([1, 2, 3].map(() => worker.call('echo', { text: large })))) assert.ok(text === large);
  assert.deepEqual(await Promise.all(range(200).map((number) => worker.call('gather', { calls: 200, number }))), range(200));
  await worker.call('nothing');
  await worker.send('note', { line: 'one' });
  await worker.send('note', { line: 'two' });
  assert.deepEqual(await worker.call('wait_for_note', { line: 'two' }), ['one', 'two']);
  // Errors.
  assert.deepEqual((await fails(worker.call('boom'), '*', 'a boom of size 3')).data, { size: 3 });
  await fails(worker.call('nope'), 'IW_UNKNOWN_MESSAGE');
  await fails(worker.call('add', { a: 1 }), 'IW_DECODE');
  // Context, timeouts and cancellation.
  const about = await worker.call('about', undefined, { timeout: 30_000, metadata: { tenant: 'blue' } });
  assert.deepEqual(about, { metadata: { tenant: 'blue' }, has_deadline: true, is_short: true });
  await fails(worker.call('hang', undefined, { timeout: 100 }), 'IW_TIMEOUT', 'was not answered within 100 ms');
  await worker.call('wait_for_cancel');
  const abort = new AbortController();
  const hanging = fails(worker.call('hang', undefined, { signal: abort.signal }), 'IW_CANCELLED');
  await worker.call('nothing');
  abort.abort();
  await hanging;
  assert.equal(await add(2, 3), 5);
  // Streams.
  for (const [count, size] of [[0, 0], [1, 1], [10_000, 1], [20, 100_000], [3, 1 << 20]]) {
    const texts = await collect(worker.stream('texts', { count, size, fails: false }));
    assert.ok(texts.length === count && texts.every((text) => text === 'ü'.repeat(size)));
  }
  const failing = worker.stream('texts', { count: 2, size: 1, fails: true });
  assert.deepEqual([(await failing.next()).value, (await failing.next()).value], ['ü', 'ü']);
  assert.deepEqual((await fails(failing.next(), '*', 'a boom of size 2')).data, { size: 2 });
  for (const end of [0, 1, 10_000]) {
    const sum = range(end).reduce((a, b) => a + b, 0);
    assert.equal(await worker.call('total', undefined, { items: range(end) }), sum);
    const doubled = worker.stream('double', undefined, { items: range(end) });
    assert.deepEqual(await collect(doubled), range(end).map((number) => 2 * number));
  }
  assert.equal(await worker.call('total_blocking', undefined, { items: [1, 2, 3] }), 6);
  assert.deepEqual(await collect(worker.stream('countdown', { start: 3 })), [3, 2, 1]);
  let next = 0;
  for await (const number of worker.stream('endless')) {
    assert.equal(number, next++);
    if (next === 5000) break;
  }
  const untaken = worker.stream('endless');
  await untaken.next();
  // Nobody takes items. Other calls go on.
  assert.equal(await add(2, 3), 5);
  await untaken.return();
  // Callbacks.
  assert.equal(await worker.call('ask', { parts: 3 }), 6);
  assert.equal(await worker.call('ask_blocking', { parts: 3 }), 6);
  assert.equal(await worker.call('ask_stream', { count: 1000 }), 499_500);
  await fails(worker.call('ask_forever', undefined, { timeout: 200 }), 'IW_TIMEOUT');
  await neverWasCancelled;
  await worker.close();
  assert.equal(worker.process.exitCode, 0);
  assert.ok(worker.output.includes('This is printed, and harmless.'), worker.output);
  await runEnds(program, ...args);
  console.log(`a host in Node.js passed with ${[program, ...args].join(' ')}`);
}

// Crashes, and the ways to end a worker.
async function runEnds(program, ...args) {
  const started = (options) => Worker.spawn(program, args, options);
  let worker = await started();
  let crash = await fails(worker.call('exit', { code: 7 }), 'IW_CRASHED', 'exited with code 7 while `exit` was in flight', 'requested by the test');
  assert.ok(crash instanceof Crashed);
  assert.deepEqual([crash.exitCode, crash.signal], [7, null]);
  await fails(worker.call('nothing'), 'IW_CLOSED');
  worker = await started();
  let pending = fails(worker.call('hang'), 'IW_CRASHED', 'was killed by SIGKILL');
  await worker.call('nothing');
  worker.kill();
  crash = await pending;
  assert.deepEqual([crash.exitCode, crash.signal], [null, 'SIGKILL']);
  // A callback fails if the host serves nothing.
  worker = await started();
  await fails(worker.call('ask', { parts: 1 }), '*');
  pending = worker.call('wait', { ms: 100 });
  await worker.call('nothing');
  await worker.drain();
  assert.deepEqual([await pending, await worker.closed()], ['waited', 'exited with code 0']);
  worker = await started();
  pending = worker.call('wait', { ms: 100 });
  await worker.call('nothing');
  process.kill(worker.pid, 'SIGTERM');
  assert.deepEqual([await pending, await worker.closed()], ['waited', 'exited with code 0']);
  // A worker that does not react to the end is killed.
  worker = await started();
  process.kill(worker.pid, 'SIGSTOP');
  await worker.close(200);
  assert.equal(await worker.closed(), 'was killed by SIGKILL');
  worker = await started({ startup: { key: 1 }, env: { PEER_STARTUP: '1' } });
  assert.deepEqual(await worker.call('started'), { key: 1 });
  await worker.close();
  await fails(started({ startup: 'refuse', env: { PEER_STARTUP: '1' } }), 'IW_STARTUP', 'this key is refused');
  await fails(Worker.spawn('/no/such/program'), 'IW_SPAWN', 'ENOENT');
  const exits = 'console.error("no luck today"); process.exit(3)';
  await fails(Worker.spawn('node', ['-e', exits]), 'IW_STARTUP', 'exited with code 3 before it was ready', 'no luck today');
  await fails(Worker.spawn('sleep', ['60'], { startTimeout: 200 }), 'IW_STARTUP', 'was not ready within 200 ms');
  const pool = new Pool(program, args, { size: 2 });
  const sums = () => Promise.all(range(20).map((a) => pool.call('add', { a, b: 1 })));
  assert.deepEqual(await sums(), range(21).slice(1));
  await fails(pool.call('exit', { code: 3 }), 'IW_CRASHED');
  await fails(pool.call('hang', undefined, { timeout: 100 }), 'IW_TIMEOUT');
  assert.deepEqual(await sums(), range(21).slice(1));
  await pool.close();
}

// Each answer belongs to its call, and each call that was answered has run exactly once.
async function runKill(program, ...args) {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  const journal = join(folder, 'journal');
  writeFileSync(journal, '');
  const pool = new Pool(program, args, { size: 3, env: { JOURNAL: journal } });
  const [answered, crashed] = [new Set(), new Set()];
  let [isOver, ids, wake] = [false, 0, () => {}];
  const call = async () => {
    while (!isOver) {
      const id = ids++;
      try {
        assert.equal(await pool.call('run', { id }), id);
        answered.add(id);
      } catch (error) {
        assert.ok(['IW_CRASHED', 'IW_STARTUP'].includes(error.code), String(error));
        crashed.add(id);
      }
      wake();
    }
  };
  const callers = range(6).map(call);
  const rounds = Number(env.KILLS ?? 20);
  for (let round = 0; round < rounds; round++) {
    const before = answered.size;
    while (answered.size < before + 50) await new Promise((resolve) => (wake = resolve));
    const workers = [...pool.workers];
    workers[Math.floor(Math.random() * workers.length)]?.kill();
  }
  isOver = true;
  await Promise.all(callers);
  await pool.close();
  const ran = readFileSync(journal, 'utf8').split('\n').filter(Boolean).map(Number);
  rmSync(folder, { recursive: true });
  const once = new Set(ran);
  assert.equal(ran.length, once.size, 'a call has run twice');
  for (const id of answered) assert.ok(once.has(id), `the answered call ${id} has not run`);
  for (const id of once) assert.ok(answered.has(id) || crashed.has(id), `the call ${id} is unknown`);
  assert.ok(crashed.size > 0, 'no call was hit');
  console.log(`${rounds} kills of ${[program, ...args].join(' ')}: ${answered.size} answers, ${crashed.size} crashes, none lost or swapped`);
}

const [, , mode, ...command] = argv;
const run = { cases: runCases, worker: runWorker, kill: runKill }[mode];
if (!run) {
  console.error('host.mjs cases | worker COMMAND… | kill COMMAND…');
  exit(1);
}
const limit = setTimeout(() => {
  console.error('the test hangs');
  exit(1);
}, 120_000);
await run(...command);
clearTimeout(limit);
