// Published vectors: those of FORMAT.md (client/vectors), and those of RFC 9807 appendix D.1 for
// ristretto255.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { blake3 } from '@noble/hashes/blake3.js';
import { blobBytes, HEADER, openBlob } from './blob.js';
import * as derive from './derive.js';
import { b64, check, hex, lp, padme, parseJson, readLp, Refused, text, unhex, utf8 } from './encodings.js';
import * as opaque from './opaque.js';
import { checkListing, readDevice, readIndex, readKeyring, readLabel, readSlot } from './records.js';
import { open } from './sealed.js';
import { phraseEntropy, phraseWords, prepareAddress, preparePassword } from './typed.js';
import { readZip, summary } from './zip.js';

const VECTORS = new URL('../../../client/vectors/', import.meta.url);

function parse(source) {
  const [head, body = ''] = source.split(/\n\n/);
  const fields = { context: [] };
  for (const line of head.split('\n')) {
    const [, name, value] = /^([a-z0-9-]+):(?: (.*))?$/.exec(line);
    if (name === 'context') fields.context.push(value ?? '');
    else fields[name] = value ?? '';
  }
  return { fields, body: unhex(body.replaceAll('\n', '')) };
}

const load = (operation, name) => parse(fs.readFileSync(new URL(`${operation}/${name}.txt`, VECTORS), 'utf8'));

// Each throws, or gives what is compared with what the vector says.
const operations = {
  lp({ fields, body }) {
    const { value, end } = readLp(body);
    check(end === body.length, 'trailing');
    if (fields.value !== undefined) assert.equal(hex(lp(unhex(fields.value))), hex(body));
    return [hex(value), fields.value];
  },
  padme: ({ fields }) => [padme(Number(fields.bytes)), Number(fields.padded)],
  'blob-length': ({ fields }) => [blobBytes(Number(fields['zip-bytes'])), Number(fields['blob-bytes'])],
  password: ({ fields, body }) => [hex(preparePassword(text(body))), fields.prepared],
  address: ({ fields, body }) => [prepareAddress(text(body)), fields.address],
  phrase({ fields, body }) {
    const entropy = phraseEntropy(text(body));
    assert.equal(hex(phraseEntropy(phraseWords(entropy))), hex(entropy));
    return [hex(entropy), fields.entropy];
  },
  derive({ fields, body }) {
    const options = {
      salt: unhex(fields.salt), label: fields.label, context: fields.context.map(unhex), length: 83,
    };
    return [hex(derive.derive(unhex(fields.key), options)), hex(body)];
  },
  tree({ fields }) {
    const from = unhex(fields.from);
    const make = {
      'password-slot': derive.slotKeys.password,
      'recovery-slot': derive.slotKeys.recovery,
      // The root key itself seals the keyring.
      keyring: (key) => key,
      persona: (key) => derive.personaKey(key, unhex(fields.persona)),
      label: derive.labelKey,
      index: derive.indexKey,
      'device-record': derive.deviceKey,
      'token-record': derive.deviceKey,
      'local-state': derive.localStateKey,
      'stat-cache': derive.localStateKey,
      parcel: derive.localStateKey,
      'root-proof': derive.rootProof,
      'phrase-proof': derive.phraseProof,
      'root-verifier': derive.verifier,
      'phrase-verifier': derive.verifier,
    }[fields.name];
    return [hex(make(from)), fields.key];
  },
  async ksf({ fields, body }) {
    return [hex(await derive.stretch(unhex(fields.input), Number(fields.mebibytes))), hex(body)];
  },
  'opaque-input'({ fields, body }) {
    const [context] = fields.context;
    return [hex(derive.opaqueInput(unhex(context), unhex(fields.identity), utf8(fields.prepared))), hex(body)];
  },
  fingerprint: ({ fields, body }) => [hex(blake3(body)), fields.fingerprint],
  object({ fields, body }) {
    const where = placeOf(fields);
    const source = open(where, body);
    readerOf(fields.type)(source, where);
    check(fields['key-state'] !== 'open-only', 'under a key that only opens');
    return [parseJson(source), parseJson(fields.json)];
  },
  blob({ fields, body }) {
    const blob = changed(fields, body);
    const key = derive.personaKey(unhex(fields['vault-key']), unhex(fields.persona));
    // Of what else a label says, only the sound cases name anything.
    const content = {
      header: b64(unhex(fields.header)), blake3: b64(blake3(blob)), blob_bytes: blob.length,
      zip_bytes: Number(fields['zip-bytes'] ?? NaN),
    };
    const zip = openBlob({ blob, content, personaKey: key });
    assert.equal(hex(blake3(blob)), fields.blake3);
    return [[zip.length, hex(blake3(zip))], [Number(fields['zip-bytes']), fields['zip-blake3']]];
  },
  zip({ fields, body }) {
    const found = summary(readZip(body));
    const counts = ['files', 'directories', 'bytes'];
    return [
      [hex(found.fingerprint), ...counts.map((name) => found[name])],
      [fields.fingerprint, ...counts.map((name) => Number(fields[name]))],
    ];
  },
  async listing({ fields, body }) {
    const { listing, labels } = JSON.parse(text(body));
    const key = (prefix, state) => fields[`${prefix}key-id`] && {
      id: fields[`${prefix}key-id`], key: b64(unhex(fields[`${prefix}vault-key`])), state,
    };
    const keyring = { version: 1, keys: [key('', 'active'), key('retired-', 'open-only')].filter(Boolean) };
    await checkListing({
      listing,
      labelsFrom: async (id, version) => labels[id].labels.filter((label) => label.version >= version),
      keyring,
      account: unhex(fields.account),
      epoch: unhex(fields.epoch),
      seen: fields.seen ? JSON.parse(fields.seen) : null,
    });
    return [];
  },
};

function placeOf(fields) {
  const { type } = fields;
  const vault = fields['vault-key'] && unhex(fields['vault-key']);
  const object = unhex(fields.object);
  const key = {
    'password-slot': () => derive.slotKeys.password(unhex(fields['export-key'])),
    'recovery-slot': () => derive.slotKeys.recovery(unhex(fields.phrase)),
    keyring: () => unhex(fields.root),
    index: () => derive.indexKey(vault),
    label: () => derive.labelKey(derive.personaKey(vault, object)),
    'device-record': () => derive.deviceKey(vault),
    'local-state': () => derive.localStateKey(vault),
  }[type]();
  return {
    type, key, keyId: fields['key-id'] && unhex(fields['key-id']), account: unhex(fields.account), object,
    version: Number(fields.version),
  };
}

function readerOf(type) {
  return {
    'password-slot': readSlot,
    'recovery-slot': readSlot,
    keyring: (source, where) => readKeyring(source, where.version),
    index: (source, where) => readIndex(source, where.version),
    label: readLabel,
    'device-record': readDevice,
  }[type];
}

function changed(fields, body) {
  if (!fields.base) return body;
  let blob = load('blob', fields.base).body.slice();
  if (fields.flip !== undefined) blob[Number(fields.flip)] ^= 1;
  if (fields.cut !== undefined) blob = blob.subarray(0, Number(fields.cut));
  if (fields.append !== undefined) blob = Buffer.concat([blob, unhex(fields.append)]);
  if (fields.chunks !== undefined) {
    const chunk = (i) => blob.subarray(HEADER + 65552 * i, HEADER + 65552 * (i + 1));
    const order = fields.chunks.split(' ').filter(Boolean).map(Number);
    blob = Buffer.concat([blob.subarray(0, HEADER), ...order.map(chunk)]);
  }
  return new Uint8Array(blob);
}

// A program need not tell all errors apart. But a refusal for another reason than the vector's would
// hide that the check in question is missing, so the messages are looked at.
const NOT_CONTENTS = /commitment|damaged|padding|truncated|too short|another (type|key)|unknown/;
const CONTENTS = new RegExp(`^(?!.*(${NOT_CONTENTS.source})).*(JSON|slot|keyring|index|label|record|length)`);
const REASONS = {
  archive: /^zip/, checksum: /checksum/, commitment: /commitment/, content: /Zstandard|CRC|comes out/,
  damaged: /damaged|truncated/, domain: /domain/, duplicate: /twice/, empty: /empty/,
  entry: /^zip: (?!too large|truncated)/, forbidden: /not allowed/, forgery: /^(persona|listing): /, form: /no @/,
  header: /header/, 'header-mismatch': /header/, json: CONTENTS, local: /local part/, name: /^path|UTF-8/,
  'other-account': /another account/, padding: /padding|truncated/, 'retired-key': /only opens/,
  rollback: /^(persona|listing): /, rule: CONTENTS, 'too-long': /too long/, 'too-short': /too short/,
  trailing: /trailing/, truncated: /truncated|too short/, 'unknown-key': /another key/,
  'unknown-type': /another type/, 'unknown-version': /unknown version/, 'unknown-word': /unknown word/,
  'word-count': /twelve words/, 'wrong-type': /another type/,
};

function refusedFor(expected, error) {
  assert.ok(error instanceof Refused, error.stack);
  assert.ok(REASONS[expected], `no vector said this so far: ${expected}`);
  assert.match(error.message, REASONS[expected]);
  return true;
}

for (const operation of fs.readdirSync(VECTORS)) {
  test(`vectors of ${operation}`, async (t) => {
    const run = operations[operation];
    if (!run) return t.skip('not of this client');
    for (const file of fs.readdirSync(new URL(`${operation}/`, VECTORS))) {
      const name = file.replace(/\.txt$/, '');
      const vector = load(operation, name);
      await t.test(name, async (inner) => {
        if (vector.fields.type === 'local-state') return inner.skip('another program need not read local state');
        if (vector.fields.expect === 'success') {
          const [found, expected] = await run(vector);
          assert.deepEqual(found, expected);
        } else {
          await assert.rejects(async () => run(vector), (error) => refusedFor(vector.fields.expect, error));
        }
      });
    }
  });
}

// RFC 9807, D.1.1 and D.1.2: the same inputs, without and with identities.
const RFC = {
  context: '4f50415155452d504f43',
  password: '436f7272656374486f72736542617474657279537461706c65',
  envelope_nonce: 'ac13171b2f17bc2c74997f0fce1e1f35bec6b91fe2e12dbd323d23ba7a38dfec',
  client_nonce: 'da7e07376d6d6f034cfa9bb537d11b8c6b4238c334333d1f0aebb380cae6a6cc',
  client_keyshare_seed: '82850a697b42a505f5b68fcdafce8c31f0af2b581f063cf1091933541936304b',
  blind_registration: '76cfbfe758db884bebb33582331ba9f159720ca8784a2a070a265d9c2d6abe01',
  blind_login: '6ecc102d2e7a7cf49617aad7bbe188556792d4acd60a1a8a8d2b65d4b0790308',
  registration_request: '5059ff249eb1551b7ce4991f3336205bde44a105a032e747d21bf382e75f7a71',
  registration_response:
    '7408a268083e03abc7097fc05b587834539065e86fb0c7b6342fcf5e01e5b019' +
    'b2fe7af9f48cc502d016729d2fe25cdd433f2c4bc904660b2a382c9b79df1a78',
  ke1:
    'c4dedb0ba6ed5d965d6f250fbe554cd45cba5dfcce3ce836e4aee778aa3cd44d' +
    'da7e07376d6d6f034cfa9bb537d11b8c6b4238c334333d1f0aebb380cae6a6cc' +
    '6e29bee50701498605b2c085d7b241ca15ba5c32027dd21ba420b94ce60da326',
  export_key:
    '1ef15b4fa99e8a852412450ab78713aad30d21fa6966c9b8c9fb3262a970dc62' +
    '950d4dd4ed62598229b1b72794fc0335199d9f7fcc6eaedde92cc04870e63f16',
};
const UPLOAD_START =
  '76a845464c68a5d2f7e442436bb1424953b17d3e2e289ccbaccafb57ac5c3675' +
  '1ac5844383c7708077dea41cbefe2fa15724f449e535dd7dd562e66f5ecfb958' +
  '64eadddec9db5874959905117dad40a4524111849799281fefe3c51fa82785c5';
const KE2_START =
  '7e308140890bcde30cbcea28b01ea1ecfbd077cff62c4def8efa075aabcbb471' +
  '38fe59af0df2c79f57b8780278f5ae47355fe1f817119041951c80f612fdfc6d' +
  'd6ec60bcdb26dc455ddf3e718f1020490c192d70dfc7e403981179d8073d1146' +
  'a4f9aa1ced4e4cd984c657eb3b54ced3848326f70331953d91b02535af44d9fe';
const KE2_MIDDLE =
  '71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3d4a1' +
  'c4f62198a9d6fa9170c42c3c71f1971b29eb1d5d0bd733e40816c91f7912cc4a';
const RFC_CASES = {
  'D.1.1': {
    tag:
      '634b0f5b96109c198a8027da51854c35bee90d1e1c781806d07d49b76de6a28b' +
      '8d9e9b6c93b9f8b64d16dddd9c5bfb5fea48ee8fd2f75012a8b308605cdd8ba5',
    ke2:
      'dc80188ca46743c52786e0382f95ad85c08f6afcd1ccfbff95e2bdeb015b166c' +
      '6b20b92f832cc6df01e0b86a7efd92c1c804ff865781fa93f2f20b446c8371b6',
    server_mac:
      '660c48dae03e57aaa38f3d0cffcfc21852ebc8b405d15bd6744945ba1a93438a' +
      '162b6111699d98a16bb55b7bdddfe0fc5608b23da246e7bd73b47369169c5c90',
    ke3:
      '4455df4f810ac31a6748835888564b536e6da5d9944dfea9e34defb9575fe5e2' +
      '661ef61d2ae3929bcf57e53d464113d364365eb7d1a57b629707ca48da18e442',
    session_key:
      '42afde6f5aca0cfa5c163763fbad55e73a41db6b41bc87b8e7b62214a8eedc67' +
      '31fa3cb857d657ab9b3764b89a84e91ebcb4785166fbb02cedfcbdfda215b96f',
  },
  'D.1.2': {
    client_identity: '616c696365',
    server_identity: '626f62',
    tag:
      '1ac902dc5589e9a5f0de56ad685ea8486210ef41449cd4d8712828913c5d2b68' +
      '0b2b3af4a26c765cff329bfb66d38ecf1d6cfa9e7a73c222c6efe0d9520f7d7c',
    ke2:
      'a502150b67fe36795dd8914f164e49f81c7688a38928372134b7dccd50e09f8f' +
      'ed9518b7b2f94835b3c4fe4c8475e7513f20eb97ff0568a39caee3fd6251876f',
    server_mac:
      '292371e7809a9031743e943fb3b56f51de903552fc91fba4e7419029951c3970' +
      'b2e2f0a9dea218d22e9e4e0000855bb6421aa3610d6fc0f4033a6517030d4341',
    ke3:
      '7a026de1d6126905736c3f6d92463a08d209833eb793e46d0f7f15b3e0f62c76' +
      '43763c02bbc6b8d3d15b63250cae98171e9260f1ffa789750f534ac11a0176d5',
    session_key:
      'ae7951123ab5befc27e62e63f52cf472d6236cb386c968cc47b7e34f866aa4bc' +
      '7638356a73cfce92becf39d6a7d32a1861f12130e824241fe6cab34fbd471a57',
  },
};

// Scalars travel little endian.
const scalar = (digits) => BigInt(`0x${hex(unhex(digits).reverse())}`);

for (const [name, expected] of Object.entries(RFC_CASES)) {
  const password = unhex(RFC.password);
  const common = {
    password,
    context: unhex(RFC.context),
    stretch: (input) => input,
    clientIdentity: expected.client_identity && unhex(expected.client_identity),
    serverIdentity: expected.server_identity && unhex(expected.server_identity),
  };
  const envelope = RFC.envelope_nonce + expected.tag;

  test(`RFC 9807 ${name}: registration`, async () => {
    const blinded = opaque.blind(password, scalar(RFC.blind_registration));
    assert.equal(hex(blinded.message), RFC.registration_request);
    const { record, exportKey } = await opaque.finishRegistration({
      ...common, blinded, response: unhex(RFC.registration_response), random: () => unhex(RFC.envelope_nonce),
    });
    assert.equal(hex(record), UPLOAD_START + envelope);
    assert.equal(hex(exportKey), RFC.export_key);
  });

  test(`RFC 9807 ${name}: login`, async () => {
    const blinded = opaque.blind(password, scalar(RFC.blind_login));
    const queue = [RFC.client_nonce, RFC.client_keyshare_seed].map(unhex);
    const { ke1, secret } = opaque.startLogin(blinded, () => queue.shift());
    assert.equal(hex(ke1), RFC.ke1);
    const ke2 = unhex(KE2_START + expected.ke2 + KE2_MIDDLE + expected.server_mac);
    const options = { ...common, blinded, ke1, secret, ke2 };
    const done = await opaque.finishLogin(options);
    assert.equal(hex(done.ke3), expected.ke3);
    assert.equal(hex(done.sessionKey), expected.session_key);
    assert.equal(hex(done.exportKey), RFC.export_key);

    const other = opaque.blind(utf8('another'), scalar(RFC.blind_login));
    const wrong = { ...options, password: utf8('another'), blinded: other };
    await assert.rejects(opaque.finishLogin(wrong), opaque.WrongPassword);
    const forged = ke2.slice();
    forged[319] ^= 1;
    await assert.rejects(opaque.finishLogin({ ...options, ke2: forged }), /proven/);
  });
}
