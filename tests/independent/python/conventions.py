"""The conventions of FORMAT.md section 1: encodings, key derivation, and Padmé."""

import base64
import hashlib
import hmac
import json
import re

import blake3 as _blake3


class Refused(Exception):
    """Something is not as FORMAT.md says, and nothing of it is given out."""


class WrongKey(Exception):
    """The phrase or root key is not this account's, as far as anybody can tell."""


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # category Cc, which Unicode never extends
# Unicode's property White_Space; Python's own notion has more.
WHITE_SPACE = "[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"


def u32(number):
    return number.to_bytes(4, "big")


def u64(number):
    return number.to_bytes(8, "big")


def lp(value):
    return u32(len(value)) + value


def split_lp(encoded):
    """The value at the front and what follows it."""
    end = 4 + int.from_bytes(encoded[:4], "big")
    if len(encoded) < 4 or len(encoded) < end:
        raise Refused("an lp value is truncated")
    return encoded[4:end], encoded[end:]


def b64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def from_b64(text):
    """Refuses padding, other alphabets and unused bits that are not zero."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise Refused("not base64url") from error
    if b64(value) != text:
        raise Refused("not canonical base64url")
    return value


def blake3(value):
    return _blake3.blake3(value).digest()


def derive(key, label, *contexts, salt=b"", length=32):
    """HKDF-SHA-512 (RFC 5869); an empty salt is one of zeros."""
    info = b"keybackup/1 " + b"".join(map(lp, [label.encode(), *contexts]))
    pseudorandom = hmac.digest(salt, key, "sha512")
    output, block = b"", b""
    for count in range(1, -(-length // hashlib.sha512().digest_size) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([count]), "sha512")
        output += block
    return output[:length]


def round_up(length, step):
    return -(-length // step) * step


def padme(length):
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    return round_up(length, 1 << (exponent - exponent.bit_length()))


def parse_json(encoded):
    """RFC 8259 in UTF-8, with no field twice in an object."""

    def without_twins(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a field stands twice")
        return dict(pairs)

    def refuse_constant(name):
        raise ValueError(f"{name} is no number of JSON")

    try:
        return json.loads(
            encoded.decode(), object_pairs_hook=without_twins, parse_constant=refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}") from error
