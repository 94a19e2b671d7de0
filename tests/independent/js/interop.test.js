// This client against a real server and the keybackup client: each reads what the other wrote.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Api, ApiError } from './api.js';
import * as client from './client.js';
import * as opaque from './opaque.js';
import { readDirectory, summary } from './zip.js';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const BIN = process.env.KEYBACKUP_BIN ?? path.join(HERE, '../../../target/release');
const MISSING = ['keybackup', 'keybackup-server'].filter((name) => !fs.existsSync(path.join(BIN, name)));
const options = { skip: MISSING.length > 0 && `not built: ${MISSING.join(', ')}` };

const PASSWORD = 'Gr\u00f6\u00dfe  of horse';
const EMAIL = 'alice@example.org';
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'keybackup-js-'));
const at = (...parts) => path.join(work, ...parts);
const STATE = at('js.json');
let server;
let url;

before(async () => {
  if (options.skip) return;
  server = spawn(path.join(BIN, 'keybackup-server'), ['serve', '--data', at('server'), '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  url = await new Promise((resolve, reject) => {
    server.stderr.on('data', (piece) => {
      log += piece;
      const found = /^keybackup-server listening on (http:\S+)\n/m.exec(log);
      if (found) resolve(found[1]);
    });
    server.on('exit', () => reject(new Error(`the server did not start: ${log}`)));
  });
});

after(() => {
  server?.kill();
  fs.rmSync(work, { recursive: true, force: true });
});

// Both give what was printed; another exit code than the expected one fails the test.
function run(program, args, env, expected) {
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
  assert.equal(status, expected, `${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

function js(args, { state = STATE, exit = 0, password = PASSWORD } = {}) {
  const all = [path.join(HERE, 'main.js'), ...args, '--state', state];
  return run(process.execPath, all, { ...process.env, KEYBACKUP_PASSWORD: password }, exit);
}

function keybackup(args, { exit = 0, home = 'home' } = {}) {
  const env = { PATH: process.env.PATH, HOME: at(home), KEYBACKUP_SERVER: url, KEYBACKUP_PASSWORD: PASSWORD };
  return run(path.join(BIN, 'keybackup'), ['--store', 'file', '--no-input', ...args], env, exit);
}

const keybackupJson = (args) => JSON.parse(keybackup(['--json', ...args]));

// The fingerprint holds paths, contents, modes, and times to 100 ns.
const print = (directory) => Buffer.from(summary(readDirectory(directory)).fingerprint).toString('hex');
const same = (one, other) => assert.equal(print(one), print(other));

function write(directory, files) {
  for (const [name, content, mode = 0o644, time] of files) {
    const full = path.join(directory, name);
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.writeFileSync(full, content);
    fs.chmodSync(full, mode);
    if (time) spawnSync('touch', ['-d', time, full]);
  }
}

test('registers, and pushes a first version', options, () => {
  const phrase = js(['register', '--server', url, '--email', ' Alice@Example.org']);
  assert.equal(phrase.trim().split(' ').length, 12);
  fs.writeFileSync(at('phrase.txt'), phrase);
  write(at('one'), [
    ['persona.json', '{"pid":"…"}\n', 0o644, '2020-02-29 12:34:56.1234567 UTC'],
    ['keyring/secrets.json', randomBytes(100), 0o600],
    ['images/face.png', randomBytes(200_000)],
    ['images/empty', '', 0o400, '2200-01-01 UTC'],
    ['images.d/zeros', Buffer.alloc(65_000), 0o644, '1969-07-20 20:17:40.25 UTC'],
    ['\u{1d11e} clef', 'sorts after U+FFFD by bytes, before it in UTF-16'],
    ['\ufffd', 'x'],
  ]);
  fs.mkdirSync(at('one/keyring/nothing'), { mode: 0o500 });
  fs.chmodSync(at('one/keyring'), 0o700);
  assert.match(js(['push', at('one'), 'work']), /version 1 {2}pushed/);
  assert.match(js(['push', at('one'), 'work']), /unchanged/);
});

test('the keybackup client reads it', options, () => {
  fs.mkdirSync(at('home'));
  keybackup(['login', EMAIL, '--device', 'rust']);
  const [listed] = keybackupJson(['list']).personas;
  assert.deepEqual([listed.name, listed.version], ['work', 1]);
  keybackup(['verify', '--all']);
  keybackup(['pull', 'work', at('pulled-1')]);
  same(at('one'), at('pulled-1'));
  assert.match(keybackup(['diff', at('pulled-1')]), /no difference/);
});

test('this client reads a version of the keybackup client, with Zstandard in it', options, () => {
  const numbers = Array.from({ length: 200_000 }, (_, i) => i).join('\n');
  write(at('pulled-1'), [['numbers.txt', numbers], ['one byte', 'x'], ['deep/er/and/deeper', 'y']]);
  keybackup(['push', at('pulled-1'), '--name', 'work']);
  js(['pull', 'work', at('pulled-2')]);
  same(at('pulled-1'), at('pulled-2'));
  assert.notEqual(print(at('pulled-2')), print(at('one')));
  js(['pull', 'work', at('again-1'), '--version', '1']);
  same(at('one'), at('again-1'));
});

test('a third version over it, and a new persona, go back', options, () => {
  write(at('pulled-2'), [['third', '3']]);
  assert.match(js(['push', at('pulled-2'), 'work']), /version 3 {2}pushed/);
  assert.match(js(['push', at('one'), 'other']), /version 1 {2}pushed/);
  keybackup(['verify', '--all']);
  keybackup(['pull', 'work', at('pulled-3')]);
  same(at('pulled-2'), at('pulled-3'));
  const versions = keybackupJson(['list']).personas.map(({ name, version }) => [name, version]);
  assert.deepEqual(versions.sort(), [['other', 1], ['work', 3]]);
});

test('more than travels in a commit is uploaded first', options, () => {
  write(at('large'), [['random', randomBytes(9 * 1024 * 1024)]]);
  js(['push', at('large'), 'large']);
  keybackup(['pull', 'large', at('large-keybackup')]);
  same(at('large'), at('large-keybackup'));
  write(at('large-keybackup'), [['more', randomBytes(1024 * 1024)]]);
  keybackup(['push', at('large-keybackup'), '--name', 'large']);
  js(['pull', 'large', at('large-js')]);
  same(at('large-keybackup'), at('large-js'));
});

test('removing, and the name again: each side follows the other', options, () => {
  js(['remove', 'other']);
  keybackup(['pull', 'other', at('gone')], { exit: 10 });
  assert.match(js(['push', at('one'), 'other']), /version 1 {2}pushed/);
  keybackup(['pull', 'other', at('other')]);
  same(at('one'), at('other'));
  keybackup(['rename', 'other', 'renamed']);
  js(['pull', 'renamed', at('renamed')]);
  same(at('one'), at('renamed'));
  keybackup(['remove', 'renamed', '--yes']);
  assert.doesNotMatch(js(['list']), /renamed/);
  js(['pull', 'renamed', at('nowhere')], { exit: 14 });
});

test('a second device of this client, and the recovery phrase', options, () => {
  const state = at('second.json');
  js(['login', '--server', url, '--email', EMAIL], { state, password: 'wrong', exit: 12 });
  js(['login', '--server', url, '--email', EMAIL, '--phrase-file', at('phrase.txt')], { state });
  js(['pull', 'work', at('second')], { state });
  same(at('pulled-3'), at('second'));
  const device = () => JSON.parse(fs.readFileSync(state, 'utf8')).device;
  const known = device();
  js(['login', '--server', url, '--email', EMAIL], { state });
  assert.equal(device(), known);
});

test('an account that the keybackup client made', options, () => {
  const state = at('bob.json');
  fs.mkdirSync(at('bob'));
  const bob = ['bob@example.org', '--recovery-file', at('bob.txt')];
  keybackup(['register', ...bob], { home: 'bob' });
  keybackup(['push', at('one'), '--name', 'work'], { home: 'bob' });
  js(['login', '--server', url, '--email', bob[0], '--phrase-file', at('bob.txt')], { state });
  js(['pull', 'work', at('of-bob')], { state });
  same(at('one'), at('of-bob'));
});

test('an unknown account is answered like a wrong password', options, async () => {
  const api = new Api(url);
  const { ke1 } = opaque.startLogin(opaque.blind(randomBytes(64)));
  const { ke2, ticket } = await api.startLogin('nobody@example.org', ke1);
  assert.equal(Buffer.from(ke2, 'base64url').length, 320);
  await assert.rejects(api.finishLogin(ticket, randomBytes(64), '0'.repeat(32)), { status: 401, code: 'login_failed' });
});

test('commits that come too late change nothing', options, async () => {
  const state = JSON.parse(fs.readFileSync(STATE, 'utf8'));
  // These two commits are held back until another one has been made.
  const { commit } = Api.prototype;
  const sent = [];
  Api.prototype.commit = async function held(...args) {
    sent.push(() => commit.apply(this, args));
    return {};
  };
  write(at('second'), [['late', 'x']]);
  await client.push(structuredClone(state), at('second'), 'work');
  await client.push(structuredClone(state), at('one'), 'unrelated');
  Api.prototype.commit = commit;
  write(at('pulled-3'), [['in time', 'y']]);
  const label = await client.push(state, at('pulled-3'), 'work');
  fs.writeFileSync(STATE, JSON.stringify(state));

  const conflict = (error) => error instanceof ApiError && error.status === 412 && error.code === 'conflict';
  // The first builds on a version that is not the newest, the other on an index that is not.
  await assert.rejects(sent[0](), conflict);
  await assert.rejects(sent[1](), conflict);
  const [work] = (await client.list(state)).personas.filter((one) => one.label.name === 'work');
  assert.deepEqual([work.label.version, work.label.hash], [label.version, state.seen.personas[work.id].label]);
  keybackup(['verify', '--all']);
});

test('a listing older than what was seen is refused', options, () => {
  const state = JSON.parse(fs.readFileSync(STATE, 'utf8'));
  state.seen.index_counter += 1;
  fs.writeFileSync(at('ahead.json'), JSON.stringify(state));
  js(['list'], { state: at('ahead.json'), exit: 14 });
});

test('an ended session and a taken address', options, () => {
  const state = { ...JSON.parse(fs.readFileSync(STATE, 'utf8')), token: `kb_${'A'.repeat(43)}` };
  fs.writeFileSync(at('ended.json'), JSON.stringify(state));
  js(['list'], { state: at('ended.json'), exit: 4 });
  js(['register', '--server', url, '--email', EMAIL], { state: at('taken.json'), exit: 11 });
});
