// What a client does: register, log in, list, pull, push, remove. State is a plain object that
// main.js keeps in a file; keys lie in it unsealed, since this is a tool for tests.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { Api, ApiError } from './api.js';
import { openBlob, sealBlob } from './blob.js';
import {
  deviceKey, indexKey, labelKey, opaqueInput, personaKey, phraseProof, rootProof, slotKeys, stretch, verifier,
} from './derive.js';
import { b64, check, equal, hex, Refused, unb64, unhex, utf8, writeJson } from './encodings.js';
import * as opaque from './opaque.js';
import {
  activeKey, checkListing, checkSuccessor, firstIndex, firstKeyring, hashOf, keyFor, nextIndex, openLabel,
  readDevice, readKeyring, readLabel, readSlot,
} from './records.js';
import { open, seal } from './sealed.js';
import { phraseEntropy, phraseWords, prepareAddress, preparePassword } from './typed.js';
import { readDirectory, readZip, summary, writeDirectory, writeZip } from './zip.js';

const CONTEXT = utf8('keybackup/1 password');

const fresh = (bytes) => new Uint8Array(randomBytes(bytes));
const now = () => Math.floor(Date.now() / 1000);
const apiOf = (state) => new Api(state.server, state.token);

// What both halves of OPAQUE need of the password.
function opaqueOptions(address, password) {
  const identity = utf8(address);
  const input = opaqueInput(CONTEXT, identity, preparePassword(password));
  return { password: input, blinded: opaque.blind(input), clientIdentity: identity, context: CONTEXT, stretch };
}

function sealDevice(key, { account, device, revision, name }) {
  const record = { name, platform: `node ${process.platform}`, created_at: now() };
  const where = {
    type: 'device-record', key: deviceKey(key.key), keyId: key.id, account, object: device, version: revision,
  };
  return { id: hex(device), revision, sealed: b64(seal(where, writeJson(record))) };
}

// Gives the state, and the recovery phrase, which is kept nowhere.
export async function register({ server, email, password, invite, deviceName = 'independent client' }) {
  const api = new Api(server);
  await api.status();
  const address = prepareAddress(email);
  const options = opaqueOptions(address, password);
  const start = await api.startAccount(address, options.blinded.message, invite);
  const response = unb64(start.registration_response);
  const { record, exportKey } = await opaque.finishRegistration({ ...options, response });

  const [account, epoch, device, phrase] = [fresh(16), fresh(16), fresh(16), fresh(16)];
  const root = fresh(32);
  const key = { id: fresh(8), key: fresh(32) };
  const keyring = firstKeyring(key.id, key.key);
  const index = firstIndex();
  const sealed = (type, under, json) =>
    seal({ type, key: under, account, object: epoch, version: 1, ...(type === 'index' && { keyId: key.id }) }, json);
  const slot = (kind, under) => ({
    kind, generation: 1, sealed: b64(sealed(`${kind}-slot`, under, writeJson({ root: b64(root) }))),
  });
  const sealedIndex = sealed('index', indexKey(key.key), writeJson(index));
  const { session } = await api.finishAccount({
    ticket: start.ticket,
    account_id: hex(account),
    epoch: {
      id: hex(epoch),
      record: b64(record),
      slots: [slot('password', slotKeys.password(exportKey)), slot('recovery', slotKeys.recovery(phrase))],
      phrase_verifier: b64(verifier(phraseProof(phrase))),
      root_verifier: b64(verifier(rootProof(root))),
      keyring: { version: 1, sealed: b64(sealed('keyring', root, writeJson(keyring))) },
      index: { counter: 1, sealed: b64(sealedIndex) },
    },
    device: sealDevice(key, { account, device, revision: 1, name: deviceName }),
  });
  const state = {
    server, address, account: hex(account), epoch: hex(epoch), device: hex(device), root: b64(root),
    keyring: { version: 1, keys: keyring.keys },
    seen: { index_counter: 1, index: hashOf(sealedIndex), personas: {} },
    ...grant(session),
  };
  return { state, phrase: phraseWords(phrase) };
}

const grant = (session) => ({ token: session.token, cookie: session.device_cookie });

// `before` is the state of an earlier login on this device, whose id and marks are kept. With a
// phrase, the recovery slot is opened, too: it has to hold the same root key.
export async function login({ server, email, password, phrase, before, deviceName = 'independent client' }) {
  const api = new Api(server);
  await api.status();
  const address = prepareAddress(email);
  const known = before?.address === address ? before : undefined;
  const options = opaqueOptions(address, password);
  const { ke1, secret } = opaque.startLogin(options.blinded);
  const start = await api.startLogin(address, ke1, known?.cookie);
  const { ke3, exportKey } = await opaque.finishLogin({ ...options, ke1, secret, ke2: unb64(start.ke2) });
  const device = known ? unhex(known.device) : fresh(16);
  const answer = await api.finishLogin(start.ticket, ke3, hex(device));

  const account = unhex(answer.account_id);
  const epoch = unhex(answer.epoch);
  check(!known || (known.account === answer.account_id && known.epoch === answer.epoch), 'login: another account');
  const rootIn = (kind, key) => {
    const slot = answer.slots.find((one) => one.kind === kind);
    check(slot, `login: no ${kind} slot`);
    const where = { type: `${kind}-slot`, key, account, object: epoch, version: slot.generation };
    return readSlot(open(where, unb64(slot.sealed)));
  };
  const root = rootIn('password', slotKeys.password(exportKey));
  if (phrase) {
    const recovered = rootIn('recovery', slotKeys.recovery(phraseEntropy(phrase)));
    check(equal(recovered, root), 'login: the recovery slot holds another root key');
  }
  const keyring = openKeyring({ root, account, epoch }, answer.keyring);
  if (known) checkSuccessor(known.keyring, keyring);
  api.token = answer.session.token;
  await keepDevice(api, { keyring, account, device, answer, deviceName });
  return {
    server, address, account: hex(account), epoch: hex(epoch), device: hex(device), root: b64(root),
    keyring: { version: keyring.version, keys: keyring.keys },
    seen: known?.seen ?? null,
    ...grant(answer.session),
  };
}

async function keepDevice(api, { keyring, account, device, answer, deviceName }) {
  if (!answer.device) {
    await api.putDevice(sealDevice(activeKey(keyring), { account, device, revision: 1, name: deviceName }));
    return;
  }
  const sealed = unb64(answer.device.sealed);
  const key = keyFor(keyring, sealed);
  readDevice(open(
    {
      type: 'device-record', key: deviceKey(key.key), keyId: key.id, account, object: device,
      version: answer.device.revision,
    },
    sealed,
  ));
}

function openKeyring({ root, account, epoch }, { version, sealed }) {
  const where = { type: 'keyring', key: root, account, object: epoch, version };
  return readKeyring(open(where, unb64(sealed)), version);
}

// The account as it stands, checked against what was seen, which it then becomes.
export async function list(state) {
  const api = apiOf(state);
  try {
    return await listOnce(api, state);
  } catch (error) {
    // Two requests may straddle somebody's commit; a contradiction that stays is one.
    if (!(error instanceof Refused)) throw error;
    return listOnce(api, state);
  }
}

async function listOnce(api, state) {
  const account = unhex(state.account);
  const epoch = unhex(state.epoch);
  const listing = await api.personas();
  let { keyring } = state;
  if (listing.keyring_version !== keyring.version) {
    const answer = await api.keyring();
    check(answer.epoch === state.epoch, 'keyring: of another epoch');
    keyring = openKeyring({ root: unb64(state.root, 32), account, epoch }, answer.keyring);
    checkSuccessor(state.keyring, keyring);
  }
  const seen = state.seen && { epoch: state.epoch, keyring_version: state.keyring.version, ...state.seen };
  const labelsFrom = (id, version) => api.labels(id, version);
  const found = await checkListing({ listing, labelsFrom, keyring, account, epoch, seen });

  state.keyring = { version: keyring.version, keys: keyring.keys };
  state.seen = {
    index_counter: found.index.counter,
    index: hashOf(unb64(listing.index.sealed)),
    personas: Object.fromEntries(
      found.personas.map(({ id, label }) => [id, { version: label.version, label: label.hash }]),
    ),
  };
  return { api, keyring, ...found };
}

const named = (personas, name) => personas.find(({ label }) => label.name === name && !label.removed);

// `version` asks for an older version than the newest.
export async function pull(state, name, target, { version } = {}) {
  const { api, keyring, personas } = await list(state);
  const persona = named(personas, name);
  check(persona, `no persona is called ${name}`);
  const account = unhex(state.account);
  const id = unhex(persona.id);
  let { label } = persona;
  if (version !== undefined && version !== label.version) {
    const [old] = await api.labels(persona.id, version);
    check(old?.version === version, `${name} has no version ${version}`);
    label = openLabel({ keyring, account, persona: id, version, sealed: unb64(old.label) });
    check(!label.removed, `${name} was removed with version ${version}`);
  }
  check(label.kind === 'directory', 'not a directory');
  const { content } = label;
  const header = unb64(content.header);
  const key = keyring.keys.find((entry) => entry.id === hex(header.subarray(9, 17)));
  check(key, 'blob: sealed under a key that is not in the keyring');
  const blob = await api.blob(persona.id, label.content_version);
  const zip = openBlob({ blob, content, personaKey: personaKey(unb64(key.key), id) });
  const entries = readZip(zip);
  compare(summary(entries), content);

  // What lies on the disk is read again before it gets its name.
  const beside = `${target}.keybackup-${hex(fresh(4))}`;
  try {
    check(!fs.existsSync(target), `${target} exists`);
    writeDirectory(beside, entries);
    compare(summary(readDirectory(beside)), content);
    fs.renameSync(beside, target);
  } finally {
    fs.rmSync(beside, { recursive: true, force: true });
  }
  return label;
}

function compare(found, content) {
  check(equal(found.fingerprint, unb64(content.fingerprint, 32)), 'pull: the fingerprint is another one');
  for (const count of ['files', 'directories', 'bytes']) {
    check(found[count] === content[count], `pull: ${count} are not as the label has them`);
  }
}

// Gives the new label, or null when nothing has changed.
export async function push(state, source, name) {
  const status = await apiOf(state).status();
  const entries = readDirectory(source);
  const { fingerprint, ...counts } = summary(entries);
  const listed = await list(state);
  const persona = named(listed.personas, name);
  const same = persona?.label.content && b64(fingerprint) === persona.label.content.fingerprint;
  if (same && !persona.trashed) return null;

  const key = activeKey(listed.keyring);
  const id = persona ? unhex(persona.id) : fresh(16);
  const version = persona ? persona.label.version + 1 : 1;
  const { blob, content } = sealBlob({
    zip: writeZip(entries), kind: 'directory', personaKey: personaKey(key.key, id), keyId: key.id,
    account: unhex(state.account), persona: id, version,
  });
  const { inline_blob_bytes: inline, blob_bytes: largest } = status.limits;
  check(blob.length <= largest, 'larger than this server takes');
  const announced = { bytes: blob.length, blake3: content.blake3 };
  if (blob.length > inline) announced.upload = await listed.api.upload(blob);
  return commit(state, listed, {
    id,
    label: {
      kind: 'directory', name, nickname: persona?.label.nickname ?? null, version, content_version: version,
      removed: false, content: { ...content, fingerprint: b64(fingerprint), ...counts },
    },
    before: persona?.label,
    head: { blob: announced, content_version: version },
    blob: announced.upload ? undefined : blob,
  });
}

// A tombstone: a version without content.
export async function remove(state, name) {
  const listed = await list(state);
  const persona = named(listed.personas, name);
  check(persona, `no persona is called ${name}`);
  const { kind, nickname, version } = persona.label;
  return commit(state, listed, {
    id: unhex(persona.id),
    label: {
      kind, name, nickname, version: version + 1, content_version: null, removed: true, content: null,
    },
    before: persona.label,
    head: { removed: true },
  });
}

// Label and index, sealed and sent in one. `before` is the label that this one follows.
async function commit(state, { api, keyring, index }, { id, label, before, head, blob }) {
  const account = unhex(state.account);
  const key = activeKey(keyring);
  const full = {
    ...label, device: state.device, time: now(), previous: before?.hash ?? null,
    keyring_version: keyring.version, supersedes: [],
  };
  const place = { keyId: key.id, account, version: full.version };
  const labelPlace = { type: 'label', key: labelKey(personaKey(key.key, id)), object: id, ...place };
  const json = writeJson(full);
  readLabel(json, labelPlace);
  const sealedLabel = seal(labelPlace, json);

  const next = nextIndex(index, keyring.version, hex(id), {
    kind: full.kind, name: full.name, floor: full.version, label: hashOf(sealedLabel), removed: full.removed,
  });
  const indexPlace = {
    type: 'index', key: indexKey(key.key), keyId: key.id, account, object: unhex(state.epoch), version: next.counter,
  };
  const sealedIndex = seal(indexPlace, writeJson(next));
  const sent = {
    epoch: state.epoch, keyring_version: keyring.version, version: full.version, label: b64(sealedLabel), ...head,
    index: { base: index.counter, counter: next.counter, sealed: b64(sealedIndex) },
  };
  await api.commit(hex(id), before?.version ?? null, sent, blob);
  state.seen.index_counter = next.counter;
  state.seen.index = hashOf(sealedIndex);
  state.seen.personas[hex(id)] = { version: full.version, label: hashOf(sealedLabel) };
  return full;
}

export { ApiError, Refused };
