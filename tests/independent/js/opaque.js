// OPAQUE-3DH (RFC 9807) over ristretto255-SHA512 (RFC 9497): registration and login, the client's side.
// Names are those of the RFCs.

import { randomBytes } from 'node:crypto';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { check, concat, equal, hex, u16, utf8 } from './encodings.js';

const { Point } = ristretto255;
const Scalar = Point.Fn;
const SUITE = concat(utf8('OPRFV1-'), Uint8Array.of(0), utf8('-ristretto255-SHA512'));
const NONE = new Uint8Array(0);

const lp2 = (value) => concat(u16(value.length), value);
const expandTo = (length, key, ...info) => expand(sha512, key, concat(...info), length);
const mac = (key, message) => hmac(sha512, key, message);

// Both RFCs demand that the identity element is refused.
function element(bytes) {
  let point;
  try {
    point = Point.fromBytes(bytes);
  } catch {
    check(false, 'opaque: not an element of the group');
  }
  check(!point.is0(), 'opaque: the identity element');
  return point;
}

// 512 random bits, reduced, are as good as evenly spread below the group's order.
const randomScalar = () => Scalar.create(BigInt(`0x${hex(randomBytes(64))}`));

export function blind(input, scalar = randomScalar()) {
  const point = ristretto255_hasher.hashToCurve(input, { DST: concat(utf8('HashToGroup-'), SUITE) });
  check(!point.is0(), 'opaque: this password cannot be blinded');
  return { scalar, message: point.multiply(scalar).toBytes() };
}

function oprfFinalize(input, scalar, evaluated) {
  const unblinded = element(evaluated).multiply(Scalar.inv(scalar)).toBytes();
  return sha512(concat(lp2(input), lp2(unblinded), utf8('Finalize')));
}

export function deriveKeyPair(seed, info) {
  for (let counter = 0; counter < 256; counter += 1) {
    const secret = ristretto255_hasher.hashToScalar(concat(seed, lp2(utf8(info)), Uint8Array.of(counter)), {
      DST: concat(utf8('DeriveKeyPair'), SUITE),
    });
    if (secret !== 0n) return { secret, public: Point.BASE.multiply(secret).toBytes() };
  }
  throw new Error('opaque: DeriveKeyPairError');
}

const deriveDiffieHellmanKeyPair = (seed) => deriveKeyPair(seed, 'OPAQUE-DeriveDiffieHellmanKeyPair');
const diffieHellman = (secret, point) => element(point).multiply(secret).toBytes();

async function randomizedPassword({ password, blinded, evaluated, stretch }) {
  const output = oprfFinalize(password, blinded.scalar, evaluated);
  return extract(sha512, concat(output, await stretch(output)), NONE);
}

// Everything that the envelope's nonce and the randomized password give.
function envelopeKeys(randomized, nonce, { serverPublic, clientIdentity, serverIdentity }) {
  const pair = deriveDiffieHellmanKeyPair(expandTo(32, randomized, nonce, utf8('PrivateKey')));
  const identities = { server: serverIdentity ?? serverPublic, client: clientIdentity ?? pair.public };
  const authKey = expandTo(64, randomized, nonce, utf8('AuthKey'));
  const tag = mac(authKey, concat(nonce, serverPublic, lp2(identities.server), lp2(identities.client)));
  return { pair, identities, tag, exportKey: expandTo(64, randomized, nonce, utf8('ExportKey')) };
}

// FinalizeRegistrationRequest. `stretch` is the KSF; `random` makes nonces (tests give their own).
export async function finishRegistration(options) {
  const { response, random = randomBytes } = options;
  check(response.length === 64, 'opaque: registration response of a wrong length');
  const serverPublic = response.subarray(32);
  element(serverPublic);
  const randomized = await randomizedPassword({ ...options, evaluated: response.subarray(0, 32) });
  const nonce = random(32);
  const { pair, tag, exportKey } = envelopeKeys(randomized, nonce, { ...options, serverPublic });
  const maskingKey = expandTo(64, randomized, utf8('MaskingKey'));
  return { record: concat(pair.public, maskingKey, nonce, tag), exportKey };
}

// GenerateKE1.
export function startLogin(blinded, random = randomBytes) {
  const nonce = random(32);
  const keyshare = deriveDiffieHellmanKeyPair(random(32));
  return { secret: keyshare.secret, ke1: concat(blinded.message, nonce, keyshare.public) };
}

// GenerateKE3. Fails when the server does not know the record, or the password is another one.
export async function finishLogin(options) {
  const { ke1, secret, ke2, context } = options;
  check(ke2.length === 320, 'opaque: KE2 of a wrong length');
  const evaluated = ke2.subarray(0, 32);
  const maskingNonce = ke2.subarray(32, 64);
  const masked = ke2.subarray(64, 192);
  const keyshare = ke2.subarray(224, 256);
  const serverMac = ke2.subarray(256);

  const randomized = await randomizedPassword({ ...options, evaluated });
  const maskingKey = expandTo(64, randomized, utf8('MaskingKey'));
  const pad = expandTo(128, maskingKey, maskingNonce, utf8('CredentialResponsePad'));
  const clear = masked.map((byte, i) => byte ^ pad[i]);
  const serverPublic = clear.subarray(0, 32);
  const keys = envelopeKeys(randomized, clear.subarray(32, 64), { ...options, serverPublic });
  if (!equal(keys.tag, clear.subarray(64))) throw new WrongPassword('wrong password or unknown account');

  const shared = concat(
    diffieHellman(secret, keyshare),
    diffieHellman(secret, serverPublic),
    diffieHellman(keys.pair.secret, keyshare),
  );
  const preamble = concat(
    utf8('OPAQUEv1-'), lp2(context), lp2(keys.identities.client), ke1,
    lp2(keys.identities.server), ke2.subarray(0, 256),
  );
  const prk = extract(sha512, shared, NONE);
  const deriveSecret = (key, label, transcript) => {
    const name = utf8(`OPAQUE-${label}`);
    return expandTo(64, key, u16(64), Uint8Array.of(name.length), name, Uint8Array.of(transcript.length), transcript);
  };
  const handshake = deriveSecret(prk, 'HandshakeSecret', sha512(preamble));
  const expected = mac(deriveSecret(handshake, 'ServerMAC', NONE), sha512(preamble));
  check(equal(serverMac, expected), 'opaque: the server has not proven that it holds the record');
  return {
    ke3: mac(deriveSecret(handshake, 'ClientMAC', NONE), sha512(concat(preamble, expected))),
    sessionKey: deriveSecret(prk, 'SessionKey', sha512(preamble)),
    exportKey: keys.exportKey,
  };
}

export class WrongPassword extends Error {}
