// Bytes, integers, text and JSON as FORMAT.md section 1 writes them.

import { timingSafeEqual } from 'node:crypto';

// What a reader must refuse. Programs tell it from other errors by its class.
export class Refused extends Error {}

export function check(holds, why) {
  if (!holds) throw new Refused(why);
}

export function concat(...parts) {
  return new Uint8Array(Buffer.concat(parts));
}

export function equal(a, b) {
  return a.length === b.length && timingSafeEqual(a, b);
}

export const utf8 = (text) => new TextEncoder().encode(text);

// A byte order mark is no white space of JSON, so it must not vanish here.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function text(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Refused('not UTF-8');
  }
}

export function hex(bytes) {
  return Buffer.from(bytes).toString('hex');
}

// Node decodes whatever it can and drops the rest, so both decoders encode again and compare.
export function unhex(digits) {
  const bytes = new Uint8Array(Buffer.from(digits, 'hex'));
  check(hex(bytes) === digits, 'not lower-case hexadecimal');
  return bytes;
}

export function b64(bytes) {
  return Buffer.from(bytes).toString('base64url');
}

export function unb64(value, length) {
  check(typeof value === 'string', 'not base64url');
  const bytes = new Uint8Array(Buffer.from(value, 'base64url'));
  check(b64(bytes) === value, 'not base64url');
  check(length === undefined || bytes.length === length, 'wrong length');
  return bytes;
}

export function u16(n) {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(n);
  return out;
}

export function u32(n) {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(n);
  return out;
}

export function u64(n) {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
}

export function lp(value) {
  return concat(u32(value.length), value);
}

// The value that begins at `at`, and where it ends.
export function readLp(bytes, at = 0) {
  check(bytes.length - at >= 4, 'truncated');
  const length = Buffer.from(bytes.buffer, bytes.byteOffset + at, 4).readUInt32BE();
  check(bytes.length - at - 4 >= length, 'truncated');
  return { value: bytes.subarray(at + 4, at + 4 + length), end: at + 4 + length };
}

// Math.log2 and shifts of 32 bits go wrong for large n; powers of two are exact.
export function padme(n) {
  if (n < 2) return n;
  const log2 = (x) => {
    let e = 0;
    for (let power = 2; power <= x; power *= 2) e += 1;
    return e;
  };
  const e = log2(n);
  const unit = 2 ** (e - (log2(e) + 1));
  return Math.ceil(n / unit) * unit;
}

// A number of JSON that is not an integer from −(2⁵³ − 1) to 2⁵³ − 1, as it was written. No rule of
// FORMAT.md allows one, but a field that we don't know may be one and has to be kept.
class OtherNumber {
  constructor(written) {
    this.written = written;
  }
}

const STRING = /"((?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const DEPTH = 64;

// JSON.parse takes the last of two fields with one name, and rounds numbers; both are wrong here.
// Objects come without a prototype, so that no field name means anything to JavaScript.
export function parseJson(source) {
  let at = 0;
  const match = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const take = (char) => {
    match(SPACE);
    if (source[at] !== char) return false;
    at += 1;
    return true;
  };
  const string = () => {
    match(SPACE);
    const found = match(STRING);
    check(found, 'JSON: a string is missing or malformed');
    const value = JSON.parse(found[0]);
    check(value.isWellFormed(), 'JSON: half a surrogate pair');
    return value;
  };
  const value = (depth) => {
    check(depth <= DEPTH, 'JSON: too deep');
    if (take('{')) {
      const out = Object.create(null);
      if (take('}')) return out;
      do {
        const name = string();
        check(!(name in out), 'JSON: a field stands twice');
        check(take(':'), 'JSON: no colon');
        out[name] = value(depth + 1);
      } while (take(','));
      check(take('}'), 'JSON: object not closed');
      return out;
    }
    if (take('[')) {
      const out = [];
      if (take(']')) return out;
      do out.push(value(depth + 1));
      while (take(','));
      check(take(']'), 'JSON: list not closed');
      return out;
    }
    if (source[at] === '"') return string();
    for (const [word, meaning] of [['true', true], ['false', false], ['null', null]]) {
      if (source.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(NUMBER);
    check(number, 'JSON: no value');
    const plain = Number(number[0]);
    return /^-?[0-9]+$/.test(number[0]) && Number.isSafeInteger(plain) && !Object.is(plain, -0)
      ? plain
      : new OtherNumber(number[0]);
  };
  const out = value(0);
  match(SPACE);
  check(at === source.length, 'JSON: more after the value');
  return out;
}

export function writeJson(value) {
  if (value instanceof OtherNumber) return value.written;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const field = ([name, inner]) => `${JSON.stringify(name)}:${writeJson(inner)}`;
    return `{${Object.entries(value).map(field).join(',')}}`;
  }
  return JSON.stringify(value);
}
