// The HTTP API (API.md): one function for each request that this client makes.

import http from 'node:http';
import https from 'node:https';
import { b64, check, concat, lp, utf8 } from './encodings.js';

const PROTOCOL = 1;
const SUITE = 1;

// An answer of 400 and above.
export class ApiError extends Error {
  constructor(status, { code, message }) {
    super(`${status} ${code}: ${message}`);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  constructor(server, token) {
    this.server = server.replace(/\/+$/, '');
    this.token = token;
  }

  // Gives status, headers and bytes. Redirects are not followed: Node's own client never does.
  send(method, path, { headers = {}, body } = {}) {
    const url = new URL(this.server + path);
    const all = { 'Keybackup-Protocol': String(PROTOCOL), ...headers };
    if (this.token) all.Authorization = `Bearer ${this.token}`;
    if (body) all['Content-Length'] = String(body.length);
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, { method, headers: all });
      request.on('response', (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const answer = { status: response.statusCode, headers: response.headers, bytes: concat(...parts) };
          if (answer.status < 300) resolve(answer);
          else reject(apiError(answer));
        });
      });
      // After an early answer the connection may break while the body is still on its way; the
      // answer has been taken by then, and a promise is settled once.
      request.on('error', reject);
      request.end(body);
    });
  }

  async json(method, path, value, headers = {}) {
    const body = value === undefined ? undefined : utf8(JSON.stringify(value));
    const typed = body ? { 'Content-Type': 'application/json', ...headers } : headers;
    return jsonOf((await this.send(method, path, { headers: typed, body })).bytes);
  }

  async status() {
    const status = await this.json('GET', '/status');
    check(status.service === 'keybackup', 'this is no keybackup server');
    check(status.protocols.includes(PROTOCOL), 'the server speaks no protocol of ours');
    check(status.suites.includes(SUITE), 'the server speaks no suite of ours');
    return status;
  }

  startAccount(email, request, invite) {
    return this.json('POST', '/accounts/start', {
      email, suite: SUITE, registration_request: b64(request), ...(invite && { invite }),
    });
  }

  finishAccount(account) {
    return this.json('POST', '/accounts', account);
  }

  startLogin(email, ke1, deviceCookie) {
    return this.json('POST', '/login/start', {
      email, ke1: b64(ke1), purpose: 'session', ...(deviceCookie && { device_cookie: deviceCookie }),
    });
  }

  finishLogin(ticket, ke3, deviceId) {
    return this.json('POST', '/login/finish', { ticket, ke3: b64(ke3), device_id: deviceId });
  }

  putDevice(device) {
    return this.json('PUT', `/devices/${device.id}`, device);
  }

  keyring() {
    return this.json('GET', '/keyring');
  }

  personas() {
    return this.json('GET', '/personas');
  }

  // All labels from a version on, oldest first.
  async labels(id, from) {
    const all = [];
    for (let next = from; ;) {
      const { labels, more } = await this.json('GET', `/personas/${id}/labels?from=${next}`);
      all.push(...labels);
      if (!more) return all;
      check(labels.length > 0, 'labels: more, but none');
      next = labels.at(-1).version + 1;
    }
  }

  // The bytes that came with a version.
  async blob(id, version) {
    return (await this.send('GET', `/personas/${id}?version=${version}`)).bytes;
  }

  // `base` is the version that the commit builds on, or null for a new persona; `blob` may be absent.
  async commit(id, base, head, blob = new Uint8Array(0)) {
    const headers = base === null ? { 'If-None-Match': '*' } : { 'If-Match': `"${base}"` };
    const body = concat(lp(utf8(JSON.stringify(head))), blob);
    return jsonOf((await this.send('POST', `/personas/${id}`, { headers, body })).bytes);
  }

  async upload(blob) {
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Length': String(blob.length),
    };
    const answer = await this.send('POST', '/uploads', { headers, body: blob });
    check(answer.headers['upload-offset'] === String(blob.length), 'upload: not all of it arrived');
    return jsonOf(answer.bytes).upload;
  }
}

function jsonOf(bytes) {
  return JSON.parse(Buffer.from(bytes).toString('utf8'));
}

function apiError({ status, bytes }) {
  try {
    return new ApiError(status, jsonOf(bytes).error);
  } catch {
    return new ApiError(status, { code: 'none', message: 'an answer without a known body' });
  }
}
