// A worker in Node.js. Run it with a host: `cargo run --example node_worker`.
// With the client installed (`npm install isolated-workers-client`), import that name instead.
import { CallError, serve } from '../clients/node/dist/index.js';

await serve({
  greet({ name }) {
    console.log('Printing is harmless.');
    return `Good evening, ${name}.`;
  },
  *squares({ below }) {
    for (let number = 0; number < below; number++) yield number * number;
  },
  async mean(_, { items }) {
    let [count, sum] = [0, 0];
    for await (const number of items) [count, sum] = [count + 1, sum + number];
    if (count === 0) throw new CallError('there are no numbers', { name: 'EmptyError', code: 'E_EMPTY' });
    return sum / count;
  },
  async render({ pages }, context) {
    for (let page = 1; page <= pages; page++) await context.call('progress', { done: page, of: pages });
    return 'rendered';
  },
});
