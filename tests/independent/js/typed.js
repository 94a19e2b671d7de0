// What people type: passwords, addresses and recovery phrases (FORMAT.md section 2).

import { domainToASCII } from 'node:url';
import { sha256 } from '@noble/hashes/sha2.js';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { check, utf8 } from './encodings.js';

// The format names a version of Unicode; this takes the one that Node has. They differ for
// characters that the newer one has assigned, which an older one refuses: never two keys for one
// password.
export function preparePassword(typed) {
  check(utf8(typed).length <= 4096, 'password: too long');
  const prepared = typed.replace(/\p{Zs}/gu, ' ').normalize('NFC');
  check(prepared !== '', 'password: empty');
  const bare = prepared.replace(/[\u200c\u200d]/gu, '');
  check(!/[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]/u.test(bare), 'password: a character is not allowed');
  return utf8(prepared);
}

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const LOCAL = new RegExp(`^${ATEXT}(\\.${ATEXT})*$`);

export function prepareAddress(typed) {
  const trimmed = typed.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
  const at = trimmed.lastIndexOf('@');
  check(at > 0, 'address: no local part or no @');
  const local = trimmed.slice(0, at);
  check(local.length <= 64 && LOCAL.test(local), 'address: local part');
  const address = `${local.toLowerCase()}@${domain(trimmed.slice(at + 1))}`;
  check(address.length <= 254, 'address: too long');
  return address;
}

// Node's UTS 46 is the one of URLs: without STD3, and it takes "127.1" for an IPv4 address. So what
// is ASCII is looked at here, before and after.
function domain(typed) {
  let labels = typed.toLowerCase();
  if (!/^[a-z0-9.-]*$/.test(labels) || labels.includes('xn--')) {
    check(/^[a-z0-9.\u0080-\u{10ffff}-]*$/u.test(labels), 'address: domain');
    labels = domainToASCII(typed);
    check(!/(^|\.)[0-9]+$/.test(labels), 'address: domain');
  }
  check(labels.length >= 1 && labels.length <= 253, 'address: domain');
  for (const label of labels.split('.')) {
    check(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label), 'address: domain');
    check(label.slice(2, 4) !== '--' || label.startsWith('xn--'), 'address: domain');
  }
  return labels;
}

export function phraseWords(entropy) {
  const all = [...entropy, sha256(entropy)[0]];
  const bits = all.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return Array.from({ length: 12 }, (_, i) => wordlist[parseInt(bits.slice(11 * i, 11 * i + 11), 2)]).join(' ');
}

export function phraseEntropy(typed) {
  const words = typed.split(/\p{White_Space}+/u).filter((word) => word !== '');
  check(words.length === 12, 'phrase: not twelve words');
  const bits = words.map((word) => {
    // toLowerCase makes an ASCII k of the Kelvin sign; only ASCII letters have a case here.
    const index = wordlist.indexOf(word.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
    check(index >= 0, 'phrase: unknown word');
    return index.toString(2).padStart(11, '0');
  }).join('');
  const entropy = Uint8Array.from({ length: 16 }, (_, i) => parseInt(bits.slice(8 * i, 8 * i + 8), 2));
  check(bits.slice(128) === sha256(entropy)[0].toString(2).padStart(8, '0').slice(0, 4), 'phrase: checksum');
  return entropy;
}
