// A worker that was written from docs/wire.md alone: it knows the keys `type`, `payload` and `tx`. Its argument is how it
// misbehaves, if it does.
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
      // The last one first.
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
    console.error('as told');
    exit(code);
  },
};

function listen(path) {
  const server = createServer((socket) => {
    // One host, after which there is nothing more to do.
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
  // What is neither a message nor its answer is for those that know more.
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

// In two pieces that cut a character apart where there is one of several bytes, and behind a line of white space.
function send(socket, frame) {
  const bytes = Buffer.from(`  \n${JSON.stringify(frame)}\n`);
  const torn = bytes.findIndex((byte) => byte >= 0x80) + 1;
  socket.write(bytes.subarray(0, torn), () => socket.write(bytes.subarray(torn)));
}
