// A worker written from docs/wire.md alone. It knows the keys `type`, `payload` and `tx`.
// The argument selects a way to misbehave.
import { createServer } from 'node:net';
import { argv, env, exit, pid } from 'node:process';

const how = argv[2] ?? '';
if (how === 'fail') {
  console.error('no luck today');
  exit(3);
}
if (how === 'never') setInterval(() => {}, 1 << 30);
else listen(JSON.parse(env.ISOLATED_WORKERS_STARTUP_DATA).socketPath);

const notes = [];
const gathered = [];

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
  socket.write(JSON.stringify({ 'isolated-workers': protocol, codec, transport, pid, build: 'node' }) + '\n');
}

async function handle(socket, line) {
  const { type, payload, tx } = JSON.parse(line);
  // Ignores every kind of frame other than requests and replies.
  if (type === undefined) return;
  let answer;
  try {
    if (!Object.hasOwn(handlers, type)) {
      notes.push(`asked for ${type}`);
      throw new Error(`Unknown message type: ${type}`);
    }
    answer = { tx, type: `${type}Result`, payload: await handlers[type](payload) };
  } catch (error) {
    const { message, name, stack, code } = error;
    answer = { tx, type: `${type}Error`, payload: error instanceof Error ? { message, name, stack, code } : error };
  }
  send(socket, answer);
}

// Sends a line of white space first, and the frame in two pieces that split a multi-byte character.
function send(socket, frame) {
  const bytes = Buffer.from(`  \n${JSON.stringify(frame)}\n`);
  const torn = bytes.findIndex((byte) => byte >= 0x80) + 1;
  socket.write(bytes.subarray(0, torn), () => socket.write(bytes.subarray(torn)));
}
