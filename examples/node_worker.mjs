// A worker in Node.js: JSON lines on a Unix socket. See docs/wire.md.
import { createServer } from 'node:net';
import { env } from 'node:process';
import { createInterface } from 'node:readline';

const handlers = {
  greet: ({ name }) => `Good evening, ${name}.`,
  sum: ({ numbers }) => numbers.reduce((a, b) => a + b, 0),
  fail() {
    throw Object.assign(new RangeError('not today'), { code: 'E_TODAY' });
  },
};

async function answer({ type, payload, tx }) {
  try {
    if (!Object.hasOwn(handlers, type)) throw new Error(`Unknown message type: ${type}`);
    return { tx, type: `${type}Result`, payload: await handlers[type](payload) };
  } catch ({ message, name, stack, code }) {
    return { tx, type: `${type}Error`, payload: { message, name, stack, code } };
  }
}

const server = createServer((socket) => {
  // Accepts one host. The process ends when that connection closes.
  server.close();
  createInterface({ input: socket }).on('line', async (line) => {
    const message = line.trim() === '' ? {} : JSON.parse(line);
    // Ignores control frames, which have no type.
    if (message.type) socket.write(JSON.stringify(await answer(message)) + '\n');
  });
});
server.listen(JSON.parse(env.ISOLATED_WORKERS_STARTUP_DATA).socketPath);
