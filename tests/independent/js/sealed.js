// Sealed objects: FORMAT.md section 4, and the table of types of section 1.2.

import { randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { derive } from './derive.js';
import { check, concat, equal, lp, padme, readLp, text, u64, utf8 } from './encodings.js';

const VERSION = 1;
const HEAD = 34;
const SHORTEST = HEAD + 32 + 16 + 4;
const KIB = 1024;
export const NO_KEY_ID = new Uint8Array(8);

const slot = () => 256;
const kibibytes = (n) => Math.ceil(n / KIB) * KIB;
const padded = (n) => Math.max(4096, padme(n));

const TYPES = {
  'password-slot': { byte: 0x01, label: 'password slot', length: slot, longest: 4 * KIB },
  'recovery-slot': { byte: 0x02, label: 'recovery slot', length: slot, longest: 4 * KIB },
  keyring: { byte: 0x04, label: 'keyring', length: kibibytes, longest: 256 * KIB },
  index: { byte: 0x05, label: 'index', length: padded, longest: 12 * KIB * KIB },
  label: { byte: 0x06, label: 'label', length: kibibytes, longest: 64 * KIB },
  'device-record': { byte: 0x07, label: 'device record', length: kibibytes, longest: 64 * KIB },
  'local-state': { byte: 0x0a, label: 'local state', length: padded, longest: 512 * KIB * KIB },
};

function keysOf(type, key, nonce) {
  const both = derive(key, { salt: nonce, label: type.label, length: 64 });
  return { encryption: both.subarray(0, 32), commitment: both.subarray(32) };
}

const associated = (head, { account, object, version }) => concat(head, account, object, u64(version));

// `where` is { type, key, keyId, account, object, version }: what a reader knows of what it asks for.
export function seal(where, json) {
  const type = TYPES[where.type];
  const nonce = new Uint8Array(randomBytes(24));
  const head = concat(Uint8Array.of(VERSION, type.byte), where.keyId ?? NO_KEY_ID, nonce);
  const { encryption, commitment } = keysOf(type, where.key, nonce);
  const body = lp(utf8(json));
  const plaintext = new Uint8Array(type.length(body.length));
  check(plaintext.length >= body.length, `${where.type}: too long to seal`);
  plaintext.set(body);
  const cipher = xchacha20poly1305(encryption, nonce, associated(head, where));
  const sealed = concat(head, commitment, cipher.encrypt(plaintext));
  check(sealed.length <= type.longest, `${where.type}: too long to seal`);
  return sealed;
}

export function keyIdOf(sealed) {
  check(sealed.length >= SHORTEST, 'sealed: too short');
  return sealed.subarray(2, 10);
}

// The text of the JSON inside.
export function open(where, sealed) {
  const type = TYPES[where.type];
  check(sealed.length >= SHORTEST, `${where.type}: too short`);
  check(sealed[0] === VERSION, `${where.type}: unknown version`);
  check(sealed[1] === type.byte, `${where.type}: another type`);
  check(equal(keyIdOf(sealed), where.keyId ?? NO_KEY_ID), `${where.type}: another key`);
  check(sealed.length <= type.longest, `${where.type}: too long`);
  const head = sealed.subarray(0, HEAD);
  const nonce = head.subarray(10);
  const { encryption, commitment } = keysOf(type, where.key, nonce);
  check(equal(sealed.subarray(HEAD, HEAD + 32), commitment), `${where.type}: commitment`);
  const plaintext = decrypt(encryption, nonce, associated(head, where), sealed.subarray(HEAD + 32));
  check(plaintext, `${where.type}: damaged`);
  const { value, end } = readLp(plaintext);
  check(plaintext.length === type.length(end), `${where.type}: padding`);
  check(plaintext.subarray(end).every((byte) => byte === 0), `${where.type}: padding`);
  return text(value);
}

// Null when the tag is wrong.
export function decrypt(key, nonce, associatedData, ciphertext) {
  try {
    return xchacha20poly1305(key, nonce, associatedData).decrypt(ciphertext);
  } catch {
    return null;
  }
}
