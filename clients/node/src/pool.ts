// A pool: some workers of one program, which are replaced when they end.

import type { CallOptions } from './connection.ts';
import { CallError } from './errors.ts';
import { type SpawnOptions, Worker } from './host.ts';

const MAX_BACKOFF_MS = 30_000; // Time between two starts that fail.

/**
 * Up to `size` workers, with one call at a time each. A worker that crashes is replaced. One whose
 * call timed out is killed and replaced, because a function that computes does not end by itself.
 */
export class Pool {
  #program: string;
  #args: string[];
  #options: SpawnOptions & { size?: number };
  #permits: number;
  #failures = 0;
  #isClosed = false;
  #idle: Worker[] = [];
  #waiting: (() => void)[] = [];
  readonly workers = new Set<Worker>();

  constructor(program: string, args: string[] = [], options: SpawnOptions & { size?: number } = {}) {
    this.#program = program;
    this.#args = args;
    this.#options = options;
    this.#permits = options.size ?? 4;
  }

  /** Calls a free worker. Waits until there is one. */
  async call(name: string, payload?: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#permits > 0) this.#permits--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const worker = await this.#take();
      try {
        return await worker.call(name, payload, options);
      } catch (error) {
        if (error instanceof CallError && (error.code === 'IW_TIMEOUT' || options.signal?.aborted)) {
          worker.kill();
          await worker.closed();
        }
        throw error;
      } finally {
        if (worker.isActive) this.#idle.push(worker);
        else this.workers.delete(worker);
      }
    } finally {
      // The permit goes to the one who waits longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#permits++;
    }
  }

  async #take(): Promise<Worker> {
    for (let worker = this.#idle.pop(); worker; worker = this.#idle.pop()) {
      if (worker.isActive) return worker;
      this.workers.delete(worker);
    }
    if (this.#isClosed) throw new CallError('could not call a worker: its pool is closed', { code: 'IW_CLOSED' });
    const backoff = Math.min(MAX_BACKOFF_MS, 50 * 2 ** this.#failures);
    if (this.#failures > 0) await new Promise((resolve) => setTimeout(resolve, backoff));
    this.#failures++;
    const worker = await Worker.spawn(this.#program, this.#args, this.#options);
    this.#failures = 0;
    this.workers.add(worker);
    return worker;
  }

  /** Closes all workers. Calls in flight fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.workers].map((worker) => worker.close()));
  }
}
