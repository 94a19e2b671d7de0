// The zip of FORMAT.md section 5.1, the fingerprint of section 5.2, and directories on disk.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { blake3 } from '@noble/hashes/blake3.js';
import { Decompress } from 'fzstd';
import { check, concat, equal, lp, Refused, text, u32, u64, utf8 } from './encodings.js';

// Limits of our own.
const MOST_ENTRIES = 100_000;
const MOST_BYTES = 2 ** 30;

const STORED = 0;
const ZSTD = 93;
const UTF8_NAMES = 0x0800;
const DESCRIPTOR = 0x0008;
const MADE_BY = 0x033f;
const NEEDS_ZIP64 = 45;
const NEEDS_ZSTD = 63;
const MODES = { file: 0o100000, directory: 0o040000 };
const MAX16 = 0xffff;
const MAX32 = 0xffffffff;

// Ticks of 100 ns from 1601 to 1970.
const EPOCH = 116444736000000000n;

// Little-endian fields: [bytes, value] pairs, or bytes as they are.
function layout(...fields) {
  return concat(...fields.map((field) => {
    if (field instanceof Uint8Array) return field;
    const [bytes, value] = field;
    const out = Buffer.alloc(8);
    out.writeBigUInt64LE(BigInt(value));
    return out.subarray(0, bytes);
  }));
}

function dosTime(ticks) {
  const seconds = (ticks - EPOCH) / 10_000_000n;
  const first = Date.UTC(1980, 0, 1) / 1000;
  const last = Date.UTC(2107, 11, 31, 23, 59, 58) / 1000;
  const date = new Date(Math.min(Math.max(Number(seconds), first), last) * 1000);
  return {
    time: (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
    date: ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(),
  };
}

// The records of one entry. A reader builds them again from what it has read and compares: so it
// refuses whatever is not exactly so. `entry` has path, directory, mode, ticks, and of files method,
// crc, size and packed (the compressed size).
function recordsOf(entry, offset) {
  const { ticks, directory, method = STORED, crc = 0, size = 0, packed = 0 } = entry;
  const name = utf8(directory ? `${entry.path}/` : entry.path);
  const { time, date } = dosTime(ticks);
  const needed = method === ZSTD ? NEEDS_ZSTD : NEEDS_ZIP64;
  const flags = directory ? UTF8_NAMES : UTF8_NAMES | DESCRIPTOR;
  const ntfs = layout([2, 0x000a], [2, 32], [4, 0], [2, 1], [2, 24], [8, ticks], [8, ticks], [8, ticks]);
  const common = (crcField) => layout(
    [2, needed], [2, flags], [2, method], [2, time], [2, date], [4, crcField], [4, MAX32], [4, MAX32],
  );
  const local = layout(
    [4, 0x04034b50], common(0), [2, name.length], [2, 20 + ntfs.length], name,
    [2, 0x0001], [2, 16], [8, 0], [8, 0], ntfs,
  );
  const descriptor = directory ? new Uint8Array(0) : layout([4, 0x08074b50], [4, crc], [8, packed], [8, size]);
  const mode = (directory ? MODES.directory : MODES.file) | entry.mode;
  const central = layout(
    [4, 0x02014b50], [2, MADE_BY], common(crc), [2, name.length], [2, 28 + ntfs.length], [2, 0], [2, 0], [2, 0],
    [4, mode * 65536 + (directory ? 0x10 : 0)], [4, MAX32], name,
    [2, 0x0001], [2, 24], [8, size], [8, packed], [8, offset], ntfs,
  );
  return { local, descriptor, central };
}

function endOf(count, directoryAt, directoryBytes) {
  const end64 = directoryAt + directoryBytes;
  return layout(
    [4, 0x06064b50], [8, 44], [2, MADE_BY], [2, NEEDS_ZIP64], [4, 0], [4, 0],
    [8, count], [8, count], [8, directoryBytes], [8, directoryAt],
    [4, 0x07064b50], [4, 0], [8, end64], [4, 1],
    [4, 0x06054b50], [2, 0], [2, 0], [2, MAX16], [2, MAX16], [4, MAX32], [4, MAX32], [2, 0],
  );
}
const END_BYTES = endOf(0, 0, 0).length;

// Entries have path, directory, mode, ticks, and of files content; sorted as in the zip. Everything
// is stored: there is no small encoder for Zstandard, and a writer only SHOULD compress.
export function writeZip(entries) {
  const parts = [];
  const central = [];
  let at = 0;
  const put = (bytes) => {
    parts.push(bytes);
    at += bytes.length;
  };
  for (const entry of entries) {
    const content = entry.content ?? new Uint8Array(0);
    const sizes = { crc: crc32(content), size: content.length, packed: content.length };
    const records = recordsOf({ ...entry, ...(entry.directory ? {} : sizes) }, at);
    [records.local, content, records.descriptor].forEach(put);
    central.push(records.central);
  }
  const directoryAt = at;
  central.forEach(put);
  put(endOf(entries.length, directoryAt, at - directoryAt));
  return concat(...parts);
}

export function readZip(zip) {
  const view = Buffer.from(zip.buffer, zip.byteOffset, zip.length);
  const number = (at, bytes) => {
    check(at >= 0 && at + bytes <= view.length, 'zip: truncated');
    const value = bytes === 8 ? view.readBigUInt64LE(at) : BigInt(view.readUIntLE(at, bytes));
    check(value <= BigInt(Number.MAX_SAFE_INTEGER), 'zip: too large');
    return Number(value);
  };
  const same = (at, expected) => {
    const found = view.subarray(at, at + expected.length);
    check(equal(found, expected), 'zip: a record is not as it must be');
    return at + expected.length;
  };

  const endAt = view.length - END_BYTES;
  check(number(endAt, 4) === 0x06064b50, 'zip: no end where it must be');
  const [count, directoryBytes, directoryAt] = [24, 40, 48].map((field) => number(endAt + field, 8));
  check(count <= MOST_ENTRIES, 'zip: too many entries');
  check(directoryAt + directoryBytes === endAt, 'zip: something lies before the end');
  same(endAt, endOf(count, directoryAt, directoryBytes));

  const entries = [];
  let at = 0;
  let centralAt = directoryAt;
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    const entry = readCentral(view, number, centralAt);
    const records = recordsOf(entry, at);
    centralAt = same(centralAt, records.central);
    at = same(at, records.local);
    if (!entry.directory) {
      total += entry.size;
      check(total <= MOST_BYTES, 'zip: too large');
      check(at + entry.packed <= directoryAt, 'zip: truncated');
      entry.content = unpackContent(entry, zip.subarray(at, at + entry.packed));
      check(crc32(entry.content) === entry.crc, 'zip: CRC');
      at = same(at + entry.packed, records.descriptor);
    }
    entries.push(entry);
  }
  check(at === directoryAt, 'zip: something lies between entries and directory');
  check(centralAt === endAt, 'zip: something lies between directory and end');
  checkPaths(entries);
  return entries;
}

// What differs between entries; recordsOf says what all else has to be.
function readCentral(view, number, at) {
  const nameBytes = number(at + 28, 2);
  const extra = at + 46 + nameBytes;
  const attributes = number(at + 38, 4);
  const type = Math.floor(attributes / 65536) & 0o170000;
  const mode = Math.floor(attributes / 65536) & 0o7777;
  const directory = type === MODES.directory;
  check(mode <= 0o777 && (directory || type === MODES.file), 'zip: neither file nor directory, or its mode');
  check(extra + 64 <= view.length, 'zip: truncated');
  let name = text(view.subarray(at + 46, extra));
  check(name.endsWith('/') === directory, 'zip: type and name differ');
  if (directory) name = name.slice(0, -1);
  const entry = {
    path: name,
    directory,
    mode,
    ticks: view.readBigUInt64LE(extra + 40),
    method: number(at + 10, 2),
    crc: number(at + 16, 4),
    size: number(extra + 4, 8),
    packed: number(extra + 12, 8),
  };
  check(entry.method === STORED || entry.method === ZSTD, 'zip: unknown method');
  if (directory || entry.size === 0) {
    check(entry.method === STORED && entry.size + entry.packed + entry.crc === 0, 'zip: an empty entry with content');
  }
  return entry;
}

function unpackContent({ method, size }, packed) {
  if (method === STORED) {
    check(packed.length === size, 'zip: sizes differ');
    return packed;
  }
  check(frameBytes(packed) === packed.length, 'zip: not one Zstandard frame');
  const out = new Uint8Array(size);
  let at = 0;
  const decompress = new Decompress((piece) => {
    check(at + piece.length <= size, 'zip: more comes out than announced');
    out.set(piece, at);
    at += piece.length;
  });
  try {
    decompress.push(packed, true);
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(`zip: Zstandard: ${error.message}`);
  }
  check(at === size, 'zip: less comes out than announced');
  return out;
}

// The length of the Zstandard frame that begins here (RFC 8878 section 3.1.1): the decoder would take
// several in a row, and skip others.
function frameBytes(packed) {
  const byte = (at) => {
    check(at < packed.length, 'zip: Zstandard: truncated');
    return packed[at];
  };
  check([0x28, 0xb5, 0x2f, 0xfd].every((value, i) => byte(i) === value), 'zip: not Zstandard');
  const descriptor = byte(4);
  const single = (descriptor & 0x20) !== 0;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  let at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3] + contentSize;
  for (let last = false; !last;) {
    const header = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16);
    last = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    check(type !== 3, 'zip: Zstandard: reserved block');
    at += 3 + (type === 1 ? 1 : header >> 3);
  }
  return at + (descriptor & 0x04 ? 4 : 0);
}

function checkPath(entryPath) {
  check(utf8(entryPath).length <= 4096, 'path: too long');
  check(!/\p{Cc}/u.test(entryPath), 'path: a control character');
  check(!/^[A-Za-z]:($|[/\\])/.test(entryPath), 'path: begins like a drive');
  const components = entryPath.split('/');
  check(components.length <= 64, 'path: too deep');
  for (const component of components) {
    const length = utf8(component).length;
    check(length >= 1 && length <= 255 && component !== '.' && component !== '..', 'path: a component');
  }
}

function checkPaths(entries) {
  const directories = new Set();
  entries.forEach((entry, i) => {
    checkPath(entry.path);
    check(i === 0 || comparePaths(entries[i - 1], entry) < 0, 'zip: entries out of order');
    const parent = path.posix.dirname(entry.path);
    check(parent === '.' || directories.has(parent), 'zip: a directory on the way is missing');
    if (entry.directory) directories.add(entry.path);
  });
}

// By bytes: JavaScript's own order of strings differs beyond U+FFFF.
function comparePaths(a, b) {
  return Buffer.compare(utf8(a.path), utf8(b.path));
}

export function summary(entries) {
  const hash = blake3.create();
  const out = { files: 0, directories: 0, bytes: 0 };
  for (const { path: name, directory, mode, ticks, content } of entries) {
    hash.update(concat(lp(utf8(name)), utf8(directory ? 'd' : 'f'), u32(mode)));
    if (directory) {
      out.directories += 1;
    } else {
      hash.update(concat(u64(ticks), blake3(content)));
      out.files += 1;
      out.bytes += content.length;
    }
  }
  return { fingerprint: hash.digest(), ...out };
}

const TICK_NS = 100n;

function ticksOf(stat) {
  const ns = stat.mtimeNs;
  const floored = ns >= 0n ? ns / TICK_NS : -((-ns + TICK_NS - 1n) / TICK_NS);
  return floored + EPOCH;
}

// The entries of a directory on disk. Links, sockets and devices stop it.
export function readDirectory(root) {
  const entries = [];
  const visit = (directory, prefix) => {
    for (const name of fs.readdirSync(directory)) {
      const full = path.join(directory, name);
      const stat = fs.lstatSync(full, { bigint: true });
      const entry = {
        path: prefix + name, directory: stat.isDirectory(), mode: Number(stat.mode & 0o777n), ticks: ticksOf(stat),
      };
      check(entry.directory || stat.isFile(), `neither a file nor a directory: ${full}`);
      checkPath(entry.path);
      entries.push(entry);
      if (entry.directory) visit(full, `${entry.path}/`);
      else entry.content = new Uint8Array(fs.readFileSync(full));
    }
  };
  visit(root, '');
  return entries.sort(comparePaths);
}

// Into a directory that does not exist yet. Modes and times come last, and deepest first: a directory
// may forbid writing, and writing in it changes its time.
export function writeDirectory(root, entries) {
  fs.mkdirSync(root, { mode: 0o700 });
  for (const entry of entries) {
    const full = path.join(root, entry.path);
    if (entry.directory) fs.mkdirSync(full, { mode: 0o700 });
    else fs.writeFileSync(full, entry.content, { flag: 'wx', mode: 0o600 });
  }
  for (const entry of [...entries].reverse()) {
    const full = path.join(root, entry.path);
    fs.chmodSync(full, entry.mode);
    setTime(full, entry.ticks);
  }
}

// Node takes times as floating point, too coarse for 100 ns, so where that misses, touch(1) sets it.
function setTime(full, ticks) {
  const unix = ticks - EPOCH;
  const seconds = Number(unix) / 1e7;
  fs.utimesSync(full, seconds, seconds);
  if (ticksOf(fs.lstatSync(full, { bigint: true })) === ticks) return;
  const distance = unix < 0n ? -unix : unix;
  const fraction = String(distance % 10_000_000n).padStart(7, '0');
  const stamp = `@${unix < 0n ? '-' : ''}${distance / 10_000_000n}.${fraction}`;
  const { status, stderr } = spawnSync('touch', ['-m', '-d', stamp, '--', full], { encoding: 'utf8' });
  check(status === 0, `touch: ${stderr}`);
}
