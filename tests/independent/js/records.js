// The JSON inside sealed objects (FORMAT.md section 6), and what a listing may be (section 7).

import { blake3 } from '@noble/hashes/blake3.js';
import { blobBytes, HEADER, parseHeader, TYPE_OF_KIND } from './blob.js';
import { indexKey, labelKey, personaKey } from './derive.js';
import { b64, check, equal, hex, parseJson, unb64, unhex, utf8 } from './encodings.js';
import { keyIdOf, open } from './sealed.js';

// The rules for keyrings and indexes that this program knows.
const WRITER = 1;

const isText = (value) => typeof value === 'string';
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isTime = Number.isSafeInteger;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isVersion = (value) => Number.isSafeInteger(value) && value >= 1;
const isBoolean = (value) => typeof value === 'boolean';
const isList = (longest) => (value) => Array.isArray(value) && value.length <= longest;
const isId = (digits) => (value) => isText(value) && new RegExp(`^[0-9a-f]{${digits}}$`).test(value);
const isKind = (value) => value in TYPE_OF_KIND;
const orNull = (rule) => (value) => value === null || rule(value);
const isB64 = (length) => (value) => unb64(value, length) !== null;
const isHash = isB64(32);
const isPlain = (longest) => (value) => isText(value) && utf8(value).length <= longest && !/\p{Cc}/u.test(value);
const isNickname = (value) => isPlain(255)(value) && value !== '';

function isName(value) {
  return isNickname(value) && !value.includes('/') && value !== '.' && value !== '..' && !value.includes('.keybackup-');
}

// Every field of the table has to be there; others are none of ours.
function follow(table, record, what) {
  check(isObject(record), `${what}: not an object`);
  for (const [name, rule] of Object.entries(table)) {
    check(name in record && rule(record[name]), `${what}: ${name}`);
  }
  return record;
}

const unique = (values) => new Set(values).size === values.length;

export function readSlot(source) {
  return unb64(follow({ root: isB64(32) }, parseJson(source), 'slot').root);
}

const KEY = {
  id: (value) => isId(16)(value) && value !== '0'.repeat(16),
  key: isB64(32),
  state: (value) => value === 'active' || value === 'open-only',
};

export function readKeyring(source, version) {
  const keyring = follow(
    { version: (value) => value === version, min_writer: isCount, keys: isList(1024) },
    parseJson(source),
    'keyring',
  );
  for (const key of keyring.keys) {
    follow(KEY, key, 'keyring: key');
    check(source.includes(`"${key.key}"`), 'keyring: a key written with escapes');
  }
  check(unique(keyring.keys.map((key) => key.id)), 'keyring: an id stands twice');
  check(keyring.keys.filter((key) => key.state === 'active').length === 1, 'keyring: not one active key');
  return keyring;
}

export function activeKey(keyring) {
  return vaultKey(keyring.keys.find((key) => key.state === 'active'));
}

function vaultKey(entry) {
  return { id: unhex(entry.id), key: unb64(entry.key), active: entry.state === 'active' };
}

// The key that sealed this, by the id in its head.
export function keyFor(keyring, sealed) {
  const id = hex(keyIdOf(sealed));
  const entry = keyring.keys.find((key) => key.id === id);
  check(entry, 'sealed under a key that is not in the keyring');
  return vaultKey(entry);
}

// A newer keyring holds every key of an older one, byte for byte.
export function checkSuccessor(older, newer) {
  check(newer.version >= older.version, 'keyring: older than one seen');
  for (const { id, key } of older.keys) {
    check(newer.keys.some((entry) => entry.id === id && entry.key === key), 'keyring: a key is gone');
  }
}

const INDEXED = {
  id: isId(32), kind: isKind, name: isName, floor: isVersion, label: isHash, removed: isBoolean,
};

export function readIndex(source, counter) {
  const index = follow(
    {
      counter: (value) => value === counter,
      keyring_version: isVersion,
      min_writer: isCount,
      objects: (value) => Array.isArray(value),
    },
    parseJson(source),
    'index',
  );
  for (const object of index.objects) follow(INDEXED, object, 'index: object');
  check(unique(index.objects.map((object) => object.id)), 'index: an id stands twice');
  const standing = index.objects.filter((object) => !object.removed);
  check(unique(standing.map((object) => object.name)), 'index: a name stands twice');
  return index;
}

// Rewriting keeps what we don't know: at the top, and in each object.
export function nextIndex(index, keyringVersion, id, changes) {
  check(index.min_writer <= WRITER, 'index: only newer programs may write it');
  const known = index.objects.find((object) => object.id === id);
  const others = index.objects.filter((object) => object.id !== id);
  const objects = [...others, { ...known, id, ...changes }].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...index, counter: index.counter + 1, keyring_version: keyringVersion, objects };
}

export function firstIndex() {
  return { counter: 1, keyring_version: 1, min_writer: WRITER, objects: [] };
}

export function firstKeyring(id, key) {
  return { version: 1, min_writer: WRITER, keys: [{ id: hex(id), key: b64(key), state: 'active' }] };
}

const CONTENT = {
  header: isB64(HEADER), blake3: isHash, blob_bytes: isCount, zip_bytes: isCount, fingerprint: isHash,
  files: isCount, directories: isCount, bytes: isCount,
};

export function readLabel(source, { account, object, version }) {
  const label = follow(
    {
      kind: isKind,
      name: isName,
      nickname: orNull(isNickname),
      version: (value) => value === version,
      content_version: orNull((value) => isVersion(value) && value <= version),
      removed: isBoolean,
      content: orNull(isObject),
      device: isId(32),
      time: isTime,
      previous: orNull(isHash),
      keyring_version: isVersion,
      supersedes: isList(64),
    },
    parseJson(source),
    'label',
  );
  check((label.content === null) === label.removed, 'label: content and tombstone');
  check((label.content_version === null) === label.removed, 'label: content version and tombstone');
  check(version > 1 || label.previous === null, 'label: the first version has none before it');
  for (const passed of label.supersedes) {
    follow({ version: (value) => isVersion(value) && value < version, label: isHash }, passed, 'label: supersedes');
  }
  if (label.content) {
    const content = follow(CONTENT, label.content, 'label: content');
    check(content.blob_bytes === blobBytes(content.zip_bytes), 'label: sizes of blob and zip');
    const header = parseHeader(unb64(content.header));
    check(equal(header.account, account), 'label: a blob of another account');
    check(equal(header.persona, object), 'label: a blob of another persona');
    check(header.type === TYPE_OF_KIND[label.kind], 'label: a blob of another kind');
    check(header.version === BigInt(label.content_version), 'label: a blob of another version');
  }
  return label;
}

export function readDevice(source) {
  return follow({ name: isName, platform: isPlain(64), created_at: isTime }, parseJson(source), 'device record');
}

export const hashOf = (sealed) => b64(blake3(sealed));

export function openIndex({ keyring, account, epoch, counter, sealed }) {
  const key = keyFor(keyring, sealed);
  check(key.active, 'index: under a key that only opens');
  const where = { type: 'index', key: indexKey(key.key), keyId: key.id, account, object: epoch, version: counter };
  return readIndex(open(where, sealed), counter);
}

export function openLabel({ keyring, account, persona, version, sealed }) {
  const key = keyFor(keyring, sealed);
  const own = personaKey(key.key, persona);
  const where = { type: 'label', key: labelKey(own), keyId: key.id, account, object: persona, version };
  return { ...readLabel(open(where, sealed), where), hash: hashOf(sealed), active: key.active };
}

// Section 7. `listing` is an answer to GET /personas; `labelsFrom(id, version)` gives the persona's
// labels from that version on; `seen` is { epoch, keyring_version, index_counter, index, personas }
// as section 6.6 names them, or null. Gives the index, and each persona with its newest label.
export async function checkListing({ listing, labelsFrom, keyring, account, epoch, seen }) {
  check(listing.account_id === hex(account), 'listing: of another account');
  check(listing.epoch === hex(epoch) && (!seen || seen.epoch === listing.epoch), 'listing: of another epoch');
  check(!seen || listing.keyring_version >= seen.keyring_version, 'listing: an older keyring');
  check(keyring.version === listing.keyring_version, 'listing: not the keyring that it names');

  const { counter } = listing.index;
  const sealedIndex = unb64(listing.index.sealed);
  if (seen) {
    check(counter >= seen.index_counter, 'listing: an older index');
    check(counter > seen.index_counter || hashOf(sealedIndex) === seen.index, 'listing: two indexes of one counter');
  }
  const index = openIndex({ keyring, account, epoch, counter, sealed: sealedIndex });
  check(index.keyring_version <= listing.keyring_version, 'listing: the index knows a newer keyring');

  const listed = new Map(listing.personas.map((persona) => [persona.id, persona]));
  const indexed = new Map(index.objects.map((object) => [object.id, object]));
  check(listed.size === listing.personas.length, 'listing: a persona stands twice');
  for (const id of Object.keys(seen?.personas ?? {})) check(listed.has(id), 'listing: a persona is missing');
  for (const id of indexed.keys()) check(listed.has(id), 'listing: an indexed persona is missing');
  for (const id of listed.keys()) check(indexed.has(id), 'listing: a persona is not indexed');

  const personas = [];
  for (const persona of listing.personas) {
    const object = indexed.get(persona.id);
    const mark = seen?.personas[persona.id];
    const label = await checkPersona({ persona, object, mark, listing, labelsFrom, keyring, account });
    personas.push({ id: persona.id, object, label, trashed: persona.trashed });
  }
  return { index, personas };
}

async function checkPersona({ persona, object, mark, listing, labelsFrom, keyring, account }) {
  const { floor } = object;
  const start = Math.max(floor, mark?.version ?? 0);
  check(persona.version >= floor, 'persona: below its floor');
  check(persona.version >= start, 'persona: older than seen');
  check(mark?.version !== floor || mark.label === object.label, 'persona: the index names another label than seen');

  const openOne = ({ version, label }) =>
    openLabel({ keyring, account, persona: unhex(persona.id), version, sealed: unb64(label) });
  const newest = openOne(persona);
  check(newest.keyring_version <= listing.keyring_version, 'persona: the label knows a newer keyring');

  const chain = persona.version === start ? [newest] : (await labelsFrom(persona.id, start)).map(openOne);
  check(chain[0]?.version === start, 'persona: the chain does not begin where it should');
  check(chain.at(-1).hash === newest.hash, 'persona: the chain ends in another label');
  chain.forEach((label, i) => {
    const { version } = label;
    check(version !== floor || label.hash === object.label, 'persona: not the label that the index names');
    check(version !== floor || label.removed === object.removed, 'persona: removed, says only one of the two');
    check(version !== mark?.version || label.hash === mark.label, 'persona: not the label seen');
    check(label.kind === object.kind && label.name === object.name, 'persona: kind or name is not as the index has it');
    check(version <= floor || label.active, 'persona: a newer label under a key that only opens');
    check(version <= floor || !object.removed, 'persona: a label above a tombstone');
    if (i > 0) {
      check(version > chain[i - 1].version, 'persona: versions do not rise');
      check(label.previous === chain[i - 1].hash, 'persona: the chain is broken');
    }
  });
  return newest;
}
