// Errors of calls, on the wire and in JavaScript.

export interface ErrorParts {
  name?: string;
  code?: string;
  stack?: string;
  chain?: string[];
  data?: unknown;
}

/**
 * A call failed. Throw it in a handler to choose the `name`, `code` and `data` of the error.
 *
 * Codes that begin with `IW_` belong to the protocol: `IW_TIMEOUT`, `IW_CRASHED`, `IW_CANCELLED`.
 */
export class CallError extends Error {
  code: string | undefined;
  chain: string[];
  data: unknown;

  constructor(message: string, parts: ErrorParts = {}) {
    super(message);
    this.name = parts.name ?? 'Error';
    this.code = parts.code;
    this.chain = parts.chain ?? [];
    this.data = parts.data;
    if (parts.stack !== undefined) this.stack = parts.stack;
  }
}

/** The process of the worker ended during the call. `output` is the end of what it printed. */
export class Crashed extends CallError {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  output: string;

  constructor(message: string, exitCode: number | null, signal: NodeJS.Signals | null, output: string) {
    super(message, { code: 'IW_CRASHED', name: 'Crashed' });
    this.exitCode = exitCode;
    this.signal = signal;
    this.output = output;
  }
}

/** The peer broke the protocol, or does not match. The connection ends. */
export class Refused extends CallError {
  constructor(message: string, code = 'IW_PROTOCOL') {
    super(message, { code });
  }
}

export const cancelled = () => new CallError('the call was cancelled', { code: 'IW_CANCELLED' });

/** Reads the payload of an error frame. One that is no object is the message. */
export function fromPayload(payload: unknown): CallError {
  if (payload === undefined || payload === null) return new CallError('the peer gave no reason', { name: '' });
  if (typeof payload !== 'object' || Array.isArray(payload)) return new CallError(text(payload), { name: '' });
  const { message, name, code, stack, chain, data } = payload as Record<string, unknown>;
  return new CallError(text(message ?? ''), {
    name: text(name ?? ''),
    data,
    ...(code === undefined || code === null ? {} : { code: text(code) }),
    ...(typeof stack === 'string' ? { stack } : {}),
    ...(Array.isArray(chain) ? { chain: chain.map(text) } : {}),
  });
}

/** Makes the payload of an error frame of anything that was thrown. */
export function toPayload(error: unknown): unknown {
  if (!(error instanceof Error)) return error ?? 'the handler threw nothing';
  const { code, data, chain } = error as CallError;
  // This code says that nothing was run, which is wrong for an error of another call.
  const isCode = (typeof code === 'string' || typeof code === 'number') && code !== 'IW_UNKNOWN_MESSAGE';
  const causes: string[] = chain?.length ? chain : [];
  for (let cause = error.cause; causes.length < 256 && cause !== undefined && cause !== null && !chain?.length; ) {
    causes.push(String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return {
    message: error.message,
    name: error.name,
    stack: error.stack,
    code: isCode ? text(code) : undefined,
    chain: causes.length > 0 ? causes : undefined,
    data,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
