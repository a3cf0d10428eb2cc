// Bytes on the wire: the line of the handshake, and JSON values.

import { randomUUID } from 'node:crypto';
import { pid } from 'node:process';
import { CallError, Refused } from './errors.ts';

export const MAX_FRAME = 8 << 20; // Bytes of a frame that this side accepts, with its line feed.
export const ITEM_BYTES = 256 << 10; // Bytes of items that this side takes in each stream.
export const HELLO_BYTES = 64 << 10; // Bytes of the line of a handshake.
export const MAX_REQUESTS = 1 << 16; // Requests that a side takes at once if it names no number.

export interface Hello {
  'isolated-workers': number;
  codec: string;
  transport: string;
  max_frame?: number;
  admission?: { requests?: number; request_bytes?: number; oneway_bytes?: number; item_bytes?: number };
  features?: string[];
  startup?: number;
  declined?: string;
}

/** The line that identifies this side. Without `service`, it serves and requires any. */
export function hello(transport: string, more: object): Hello {
  const required = { 'isolated-workers': 1, codec: 'json', transport, pid, build: 'node 0.1.0' };
  return { ...required, max_frame: MAX_FRAME, ...more };
}

export function isHello(theirs: unknown): theirs is Hello {
  return typeof theirs === 'object' && theirs !== null && 'isolated-workers' in theirs;
}

/** Compares the line of the other side with this one. */
export function check(theirs: unknown, transport: string): Hello {
  if (!isHello(theirs)) {
    const cause = 'the peer does not speak the protocol; start it with a handshake';
    throw new Refused(`could not complete the handshake: ${cause}`, 'IW_HANDSHAKE');
  }
  const own = { 'isolated-workers': 1, codec: 'json', transport } as const;
  for (const key of Object.keys(own) as (keyof typeof own)[]) {
    if (theirs[key] === own[key]) continue;
    const cause = `the ${key} of this side is ${own[key]}, that of the other side is ${theirs[key]}`;
    throw new Refused(`could not connect host and worker: ${cause}; use the same on both`, 'IW_HANDSHAKE');
  }
  return theirs;
}

// A number of more than 53 bits is a text with this prefix while JSON is parsed or made.
const BIG = `${randomUUID()}:`;
const BIG_TEXT = new RegExp(`"${BIG}(-?\\d+)"`, 'g');
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses JSON. An integer beyond 53 bits becomes a `bigint`. */
export function decode(json: string): unknown {
  if (!/\d{16}|[eE]\+?\d{3}/.test(json)) return JSON.parse(json);
  let hasBig = false;
  const tagged = json.replace(TOKEN, (token) => {
    if (token.startsWith('"')) return token;
    if (!Number.isFinite(Number(token))) throw new SyntaxError(`the number ${token} is too large`);
    if (/[.eE]/.test(token) || Number.isSafeInteger(Number(token))) return token;
    hasBig = true;
    return `"${BIG}${token}"`;
  });
  if (!hasBig) return JSON.parse(json);
  const revive = (_: string, value: unknown) =>
    typeof value === 'string' && value.startsWith(BIG) ? BigInt(value.slice(BIG.length)) : value;
  return JSON.parse(tagged, revive);
}

/**
 * Makes JSON. A `bigint` becomes a number with all its digits. Bytes become base64 if they are the
 * value or one of its fields.
 */
export function encode(value: unknown): string {
  const plain = withBase64(value);
  let json: string | undefined;
  try {
    json = JSON.stringify(plain);
  } catch (error) {
    if (!(error instanceof TypeError) || !/BigInt/.test(error.message)) throw error;
    json = JSON.stringify(plain, (_, item) => (typeof item === 'bigint' ? BIG + item : item));
    json = json?.replace(BIG_TEXT, '$1');
  }
  if (json === undefined) throw new TypeError(`${typeof value} is no JSON value`);
  if (hasLoneSurrogate(json)) throw new TypeError('it has half of a character');
  return json;
}

/** True if JSON has half of a character, which no UTF-8 can represent. */
export function hasLoneSurrogate(json: string): boolean {
  if (!/\\u[dD]/.test(json)) return false;
  // Halves that belong together are one character after parsing.
  return /\p{Surrogate}/u.test(JSON.stringify(JSON.parse(json)).replace(/\\\\|\\u(d[89a-f]..)/g, (_, half) =>
    half === undefined ? '' : String.fromCharCode(parseInt(half, 16))));
}

function withBase64(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  for (const key in value) {
    if ((value as Record<string, unknown>)[key] instanceof Uint8Array) {
      const pairs = Object.entries(value);
      return Object.fromEntries(pairs.map(([name, field]) => [name, field instanceof Uint8Array ? withBase64(field) : field]));
    }
  }
  return value;
}

/** Bytes of a payload: base64 with or without padding, or an array of numbers. */
export function asBytes(value: unknown): Uint8Array {
  if (Array.isArray(value)) return Uint8Array.from(value);
  if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)) return Buffer.from(value, 'base64');
  throw new CallError('could not decode bytes: it is no base64', { code: 'IW_DECODE' });
}
