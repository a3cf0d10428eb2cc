// The two directions of a stream of items.

import { Refused } from './errors.ts';
import { ITEM_BYTES, encode } from './wire.ts';

export type Write = (frame: string) => void;
export type Role = 'caller' | 'callee';

/** Items that this side sends. They wait for credit. */
export class Sent {
  #write: Write;
  #head: string;
  #end: string;
  #limit: number;
  #used = 0;
  #isClosed = false;
  #wake = () => {};

  constructor(write: Write, tx: string, role: Role, limit: number) {
    this.#write = write;
    this.#limit = limit;
    this.#end = `{"kind":"items_end","tx":${JSON.stringify(tx)}}`;
    this.#head = `{"kind":"item","tx":${JSON.stringify(tx)},"from":"${role}","payload":`;
  }

  /** Resolves to false if the call has ended. */
  async send(item: unknown): Promise<boolean> {
    while (this.#used >= this.#limit && !this.#isClosed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#isClosed) return false;
    const payload = encode(item ?? null);
    // An item counts its payload as it stands in the frame, and at least 64 bytes.
    this.#used += Math.max(64, Buffer.byteLength(payload));
    this.#write(`${this.#head}${payload}}`);
    return true;
  }

  /** The end of the items of a caller. Those of a callee end with its answer. */
  end(): void {
    if (!this.#isClosed) this.#write(this.#end);
  }

  credit(bytes: number): void {
    this.#used = Math.max(0, this.#used - bytes);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }
}

/**
 * Items that this side receives: an async iterable. It ends with an error if the call is cancelled
 * or its connection is lost.
 */
export class Items<T = unknown> implements AsyncIterableIterator<T> {
  #write: Write;
  #credit: string;
  #queue: { item: T; size: number }[] = [];
  #taken = 0;
  #held = 0;
  #finished = 0;
  #ended: { error: unknown } | null = null;
  #wake = () => {};

  constructor(write: Write, tx: string, role: Role) {
    this.#write = write;
    this.#credit = `{"kind":"item_credit","tx":${JSON.stringify(tx)},"from":"${role}","payload":`;
  }

  push(item: T, line: string): void {
    // The payload is parsed, so the whole line counts. It may be four times what the sender counts.
    if (this.#ended || this.#held >= 4 * ITEM_BYTES) {
      throw new Refused('could not accept an item: the stream has ended, or has no credit');
    }
    const size = Math.max(64, Buffer.byteLength(line));
    this.#held += size;
    this.#queue.push({ item, size });
    this.#wake();
  }

  close(error?: unknown): void {
    this.#ended ??= { error };
    this.#wake();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const first = this.#queue[this.#taken];
      if (first !== undefined) {
        // Removes in batches, because `shift` moves all that follow.
        if (++this.#taken === this.#queue.length || this.#taken === 1024) {
          this.#queue.splice(0, this.#taken);
          this.#taken = 0;
        }
        this.#held -= first.size;
        this.#finished += first.size;
        if (this.#finished >= ITEM_BYTES / 2 && !this.#ended) {
          this.#write(`${this.#credit}${this.#finished}}`);
          this.#finished = 0;
        }
        return { value: first.item, done: false };
      }
      if (this.#ended) {
        const { error } = this.#ended;
        this.#ended = { error: undefined };
        if (error !== undefined) throw error;
        return { value: undefined, done: true };
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
