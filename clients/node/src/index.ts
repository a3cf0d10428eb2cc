// Workers and hosts of isolated-workers. The protocol is specified in `docs/wire.md`.

export { type CallOptions, type Context, type Handler, type Handlers } from './connection.ts';
export { CallError, Crashed } from './errors.ts';
export { type SpawnOptions, Worker } from './host.ts';
export { Pool } from './pool.ts';
export { Items } from './streams.ts';
export { asBytes } from './wire.ts';
export { isWorker, serve } from './worker.ts';
