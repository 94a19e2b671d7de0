// Keys: the derivation of FORMAT.md section 1.1, the tree of section 3, and key stretching.

import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import hashWasm from 'hash-wasm';
import { concat, lp, utf8 } from './encodings.js';

export function derive(key, { salt = new Uint8Array(0), label, context = [], length = 32 }) {
  const info = concat(utf8('keybackup/1 '), lp(utf8(label)), ...context.map(lp));
  return hkdf(sha512, key, salt, info, length);
}

export const slotKeys = {
  password: (exportKey) => derive(exportKey, { label: 'password slot' }),
  recovery: (phrase) => derive(phrase, { label: 'recovery slot' }),
};

export const personaKey = (vaultKey, persona) => derive(vaultKey, { label: 'persona', context: [persona] });
export const indexKey = (vaultKey) => derive(vaultKey, { label: 'index' });
export const deviceKey = (vaultKey) => derive(vaultKey, { label: 'device' });
export const localStateKey = (vaultKey) => derive(vaultKey, { label: 'local state' });
export const labelKey = (key) => derive(key, { label: 'label' });

export const rootProof = (root) => derive(root, { label: 'root proof' });
export const phraseProof = (phrase) => derive(phrase, { label: 'phrase proof' });
export const verifier = (proof) => sha256(proof);

// What OPAQUE gets as the password (section 3.1).
export function opaqueInput(context, identity, prepared) {
  return sha512(concat(context, lp(identity), lp(prepared)));
}

// WebAssembly, shipped in the package: a second or two for 256 MiB, where plain JavaScript takes four
// times as long, and this is done once for each registration and login.
export function stretch(input, mebibytes = 256) {
  return hashWasm.argon2id({
    password: input, salt: new Uint8Array(16), iterations: 3, parallelism: 4, memorySize: mebibytes * 1024,
    hashLength: 64, outputType: 'binary',
  });
}
