// Blobs: FORMAT.md section 5. One zip, padded and sealed in chunks.

import { randomBytes } from 'node:crypto';
import { blake3 } from '@noble/hashes/blake3.js';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { derive } from './derive.js';
import { b64, check, concat, equal, padme, u32, u64, unb64, utf8 } from './encodings.js';
import { decrypt } from './sealed.js';

export const HEADER = 121;
export const TYPE_OF_KIND = { directory: 0x20, otp: 0x21 };
const MAGIC = utf8('KEYBKUP');
const VERSION = 1;
const CHUNK = 65536;
const TAG = 16;
const NONE = new Uint8Array(0);

const plaintextBytes = (zipBytes) => Math.max(16384, padme(zipBytes + 8));

export function blobBytes(zipBytes) {
  const plaintext = plaintextBytes(zipBytes);
  return HEADER + plaintext + TAG * Math.ceil(plaintext / CHUNK);
}

export function parseHeader(header) {
  check(header.length === HEADER, 'blob: header too short');
  check(equal(header.subarray(0, 7), MAGIC), 'blob: not one');
  check(header[7] === VERSION, 'blob: unknown version');
  check(Object.values(TYPE_OF_KIND).includes(header[8]), 'blob: unknown type');
  return {
    type: header[8],
    keyId: header.subarray(9, 17),
    account: header.subarray(17, 33),
    persona: header.subarray(33, 49),
    version: Buffer.from(header.subarray(49, 57)).readBigUInt64BE(),
    salt: header.subarray(57, 89),
    commitment: header.subarray(89),
  };
}

function keysOf(personaKey, salt, committed) {
  const all = derive(personaKey, { salt, label: 'blob', context: [committed], length: 83 });
  return { key: all.subarray(0, 32), prefix: all.subarray(32, 51), commitment: all.subarray(51) };
}

const nonceOf = (prefix, i, last) => concat(prefix, u32(i), Uint8Array.of(last ? 1 : 0));

// Gives the blob, and what the label says of it.
export function sealBlob({ zip, kind, personaKey, keyId, account, persona, version }) {
  const salt = new Uint8Array(randomBytes(32));
  const type = TYPE_OF_KIND[kind];
  const committed = concat(MAGIC, Uint8Array.of(VERSION, type), keyId, account, persona, u64(version), salt);
  const { key, prefix, commitment } = keysOf(personaKey, salt, committed);
  const plaintext = new Uint8Array(plaintextBytes(zip.length));
  plaintext.set(zip);
  plaintext.set(u64(zip.length), plaintext.length - 8);
  const parts = [committed, commitment];
  const chunks = Math.ceil(plaintext.length / CHUNK);
  for (let i = 0; i < chunks; i += 1) {
    const nonce = nonceOf(prefix, i, i === chunks - 1);
    parts.push(xchacha20poly1305(key, nonce, NONE).encrypt(plaintext.subarray(i * CHUNK, (i + 1) * CHUNK)));
  }
  const blob = concat(...parts);
  const content = {
    header: b64(blob.subarray(0, HEADER)),
    blake3: b64(blake3(blob)),
    blob_bytes: blob.length,
    zip_bytes: zip.length,
  };
  return { blob, content };
}

// The zip inside. `content` is the label's; everything about the blob is checked against it.
export function openBlob({ blob, content, personaKey }) {
  const expected = unb64(content.header, HEADER);
  check(blob.length >= HEADER, 'blob: too short');
  check(equal(blob.subarray(0, HEADER), expected), 'blob: another header than the label has');
  const { salt, commitment } = parseHeader(expected);
  const keys = keysOf(personaKey, salt, expected.subarray(0, HEADER - 32));
  check(equal(keys.commitment, commitment), 'blob: commitment');

  const payload = blob.subarray(HEADER);
  const parts = [];
  for (let at = 0; at < payload.length; at += CHUNK + TAG) {
    const chunk = payload.subarray(at, at + CHUNK + TAG);
    const last = at + chunk.length === payload.length;
    check(chunk.length > TAG, 'blob: an empty chunk');
    const opened = decrypt(keys.key, nonceOf(keys.prefix, parts.length, last), NONE, chunk);
    check(opened, 'blob: damaged');
    parts.push(opened);
  }
  check(parts.length > 0, 'blob: truncated');
  const plaintext = concat(...parts);

  check(plaintext.length >= 8, 'blob: padding');
  const length = Buffer.from(plaintext.subarray(plaintext.length - 8)).readBigUInt64BE();
  check(length <= BigInt(plaintext.length - 8), 'blob: padding');
  const zipBytes = Number(length);
  check(plaintext.length === plaintextBytes(zipBytes), 'blob: padding');
  check(plaintext.subarray(zipBytes, -8).every((byte) => byte === 0), 'blob: padding');
  check(blob.length === content.blob_bytes && zipBytes === content.zip_bytes, 'blob: not as long as in the label');
  check(equal(blake3(blob), unb64(content.blake3, 32)), 'blob: BLAKE3 is not as the label has it');
  return plaintext.subarray(0, zipBytes);
}
