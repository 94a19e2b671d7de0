// The command line of the independent client: a tool for tests. It keeps tokens and keys unsealed in
// the file that --state names.

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import * as client from './client.js';
import { WrongPassword } from './opaque.js';

const USAGE = `node main.js COMMAND --state FILE
  register --server URL --email ADDRESS [--invite CODE]   prints the recovery phrase
  login    --server URL --email ADDRESS [--phrase-file FILE]   opens the recovery slot, too
  list
  pull NAME DIR [--version N]
  push DIR NAME
  remove NAME
The password comes from KEYBACKUP_PASSWORD.`;

class Usage extends Error {}

const commands = {
  async register(args, options) {
    const { state, phrase } = await client.register({ ...options, password: password() });
    console.log(phrase);
    return state;
  },
  async login(args, options, before) {
    const file = options['phrase-file'];
    const phrase = file && fs.readFileSync(file, 'utf8');
    return client.login({ ...options, phrase, password: password(), before });
  },
  async list(args, options, state) {
    const { personas } = await client.list(state);
    for (const { id, label, trashed } of personas) {
      if (label.removed) continue;
      const { files, bytes } = label.content;
      const row = [label.name, `version ${label.version}`, `${files} files`, `${bytes} bytes`, id];
      console.log([...row, ...(trashed ? ['trashed'] : [])].join('  '));
    }
  },
  async pull([name, target], { version }, state) {
    const label = await client.pull(state, name, target, { version: version && Number(version) });
    console.log(`${name}  version ${label.version}  pulled`);
  },
  async push([source, name], options, state) {
    const label = await client.push(state, source, name);
    console.log(label ? `${name}  version ${label.version}  pushed` : `${name}  unchanged`);
  },
  async remove([name], options, state) {
    const { version } = await client.remove(state, name);
    console.log(`${name}  version ${version}  removed`);
  },
};
const ARGUMENTS = { register: 0, login: 0, list: 0, pull: 2, push: 2, remove: 1 };

function password() {
  const value = process.env.KEYBACKUP_PASSWORD;
  if (!value) throw new Usage('KEYBACKUP_PASSWORD is empty');
  return value;
}

function parse() {
  const text = { type: 'string' };
  try {
    const { values, positionals } = parseArgs({
      options: { state: text, server: text, email: text, invite: text, version: text, 'phrase-file': text },
      allowPositionals: true,
    });
    const [command, ...args] = positionals;
    const known = Object.hasOwn(commands, command) && args.length === ARGUMENTS[command] && values.state;
    const begins = command === 'register' || command === 'login';
    if (!known || (begins && !(values.server && values.email))) throw new Usage(USAGE);
    return { command, args, options: values };
  } catch (error) {
    throw error instanceof Usage ? error : new Usage(`${error.message}\n${USAGE}`);
  }
}

async function main() {
  const { command, args, options } = parse();
  const state = fs.existsSync(options.state) ? JSON.parse(fs.readFileSync(options.state, 'utf8')) : undefined;
  if (!state && command !== 'register' && command !== 'login') throw new Usage('log in first');
  if (state && command === 'register') throw new Usage('the state file belongs to an account already');
  const after = (await commands[command](args, options, state)) ?? state;
  fs.writeFileSync(options.state, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o600 });
}

// The numbers of the keybackup client, so that scripts can tell failures apart.
function exitCode(error) {
  if (error instanceof Usage) return 2;
  if (error instanceof WrongPassword) return 12;
  if (error instanceof client.ApiError) {
    return { 401: error.code === 'login_failed' ? 12 : 4, 409: 11, 410: 10, 412: 11 }[error.status] ?? 13;
  }
  return error instanceof client.Refused ? 14 : 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = exitCode(error);
});
