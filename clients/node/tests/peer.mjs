// The worker of the tests of all languages. `clients/README.md` describes its messages.
import { appendFileSync } from 'node:fs';
import { env, exit, stderr } from 'node:process';
import { CallError, asBytes, serve } from '../dist/index.js';

const notes = [];
const gathered = [];
let startupData;
let setCancelled;
const wasCancelled = new Promise((resolve) => (setCancelled = resolve));

const aborted = (context) =>
  new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)));

function integers(...values) {
  for (const value of values) {
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) continue;
    throw new CallError(`could not decode the arguments: ${value} is no integer`, { code: 'IW_DECODE' });
  }
  return values.some((value) => typeof value === 'bigint') ? values.map(BigInt) : values;
}

function add({ a, b }) {
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return a + b;
  const [left, right] = integers(a, b);
  return left + right;
}

const handlers = {
  add,
  add_blocking: add,
  echo: ({ text }) => text,
  value: ({ value }) => value,
  invert: ({ content }) => asBytes(content).map((byte) => 255 - byte),
  nothing() {
    console.log('This is printed, and harmless.');
  },
  note({ line }) {
    if (typeof line !== 'string') throw new TypeError('a line is a text');
    notes.push(line);
  },
  notes: () => notes,
  clear: () => void notes.splice(0),
  async wait_for_note({ line }) {
    while (!notes.includes(line)) await new Promise((resolve) => setImmediate(resolve));
    return notes;
  },
  gather({ calls, number }) {
    return new Promise((resolve) => {
      gathered.push(() => resolve(number));
      // The last call is answered first.
      if (gathered.length === calls) while (gathered.length) gathered.pop()();
    });
  },
  boom() {
    const error = new CallError('a boom of size 3', { name: 'Boom', code: 'E_BOOM', data: { size: 3 } });
    error.cause = new RangeError('the cause');
    throw error;
  },
  getResult: () => 'getResult',
  fooError: () => 'fooError',
  exit({ code }) {
    stderr.write('requested by the test\n', () => exit(code));
    return new Promise(() => {});
  },
  *texts({ count, size, fails }) {
    for (let sent = 0; sent < count; sent++) yield 'ü'.repeat(size);
    if (fails) throw new CallError(`a boom of size ${count}`, { name: 'Boom', data: { size: count } });
  },
  *countdown({ start }) {
    for (let number = start; number > 0; number--) yield number;
  },
  async total(_, { items }) {
    let total = 0;
    try {
      for await (const number of items) total += number;
    } catch (error) {
      setCancelled();
      throw error;
    }
    return total;
  },
  async total_blocking(_, { items }) {
    let total = 0;
    for await (const number of items) total += number;
    return total;
  },
  async *double(_, { items }) {
    for await (const number of items) yield 2 * number;
  },
  async *endless() {
    try {
      for (let number = 0; ; number++) yield number;
    } finally {
      setCancelled();
    }
  },
  wait_for_cancel: () => wasCancelled,
  hang: (_, context) => aborted(context).finally(setCancelled),
  hang_with_items: (_, context) => aborted(context),
  first: async (_, { items }) => (await items.next()).value,
  async count_items(_, { items }) {
    let count = 0;
    for await (const _ of items) count++;
    return count;
  },
  long: ({ size }) => 'x'.repeat(size),
  unsendable() {
    const circle = {};
    circle.circle = circle;
    return circle;
  },
  wait: ({ ms }) => new Promise((resolve) => setTimeout(() => resolve('waited'), ms)),
  spin({ seconds }) {
    const end = performance.now() + 1e3 * seconds;
    while (performance.now() < end);
  },
  about(_, { metadata, remaining }) {
    const own = Object.entries(metadata).filter(([key]) => !key.startsWith('iw-'));
    return { metadata: Object.fromEntries(own), has_deadline: remaining !== undefined, is_short: remaining < 60_000 };
  },
  async ask({ parts }, context) {
    let total = 0;
    for (let done = 1; done <= parts; done++) total += await context.call('step', { done, of: parts });
    return total;
  },
  ask_blocking: (payload, context) => handlers.ask(payload, context),
  async ask_stream({ count }, context) {
    let total = 0;
    for await (const number of context.stream('numbers', { count })) total += number;
    return total;
  },
  ask_forever: (_, context) => context.call('never'),
  run({ id }) {
    appendFileSync(env.JOURNAL, `${id}\n`);
    return id;
  },
  started: () => startupData,
};

await serve((startup) => {
  startupData = startup;
  if (startup === 'refuse') throw new RangeError('this key is refused');
  return handlers;
});
