// The two directions of a stream of items, written from docs/wire.md alone.

// What this side takes in each stream, and announces in its handshake.
export const ITEM_BYTES = 65536;

// An item counts its payload as it stands in the frame, and at least 64 bytes.
const cost = (bytes) => Math.max(64, bytes);

// Items that this side sends. They wait for credit.
export class SentItems {
  used = 0;
  #isClosed = false;
  #wake = () => {};
  #stalls = [];

  // `limit`: what the other side takes.
  constructor(write, tx, from, limit) {
    Object.assign(this, { write, tx, from, limit });
  }

  // Returns false if the call has ended.
  async send(item) {
    while (this.used >= this.limit && !this.#isClosed) {
      await new Promise((resolve) => (this.#wake = resolve));
    }
    if (this.#isClosed) return false;
    this.used += cost(Buffer.byteLength(JSON.stringify(item)));
    this.write({ kind: 'item', tx: this.tx, from: this.from, payload: item });
    if (this.used >= this.limit) for (const resolve of this.#stalls.splice(0)) resolve();
    return true;
  }

  end() {
    if (!this.#isClosed) this.write({ kind: 'items_end', tx: this.tx });
  }

  credit(bytes) {
    this.used = Math.max(0, this.used - bytes);
    this.#wake();
  }

  close() {
    this.#isClosed = true;
    this.#wake();
  }

  // Waits until all credit is used.
  async stalled() {
    if (this.used < this.limit) await new Promise((resolve) => this.#stalls.push(resolve));
  }
}

// Items that this side receives: an async iterable. It ends with an error if the call does.
export class ReceivedItems {
  held = 0;
  peak = 0;
  #queue = [];
  #finished = 0;
  #end = null;
  #wake = () => {};

  // `from`: role of this side, which gives the credit.
  constructor(write, tx, from) {
    Object.assign(this, { write, tx, from });
  }

  // The line counts as a whole, because its payload is parsed. Too much credit has no effect.
  push(item, line) {
    const size = cost(Buffer.byteLength(line));
    this.held += size;
    this.peak = Math.max(this.peak, this.held);
    this.#queue.push({ item, size });
    this.#wake();
  }

  end(error) {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#queue.length > 0) {
        const { item, size } = this.#queue.shift();
        this.held -= size;
        this.#finished += size;
        if (this.#finished >= ITEM_BYTES / 2 && !this.#end) {
          this.write({ kind: 'item_credit', tx: this.tx, from: this.from, payload: this.#finished });
          this.#finished = 0;
        }
        yield item;
      }
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return;
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}
