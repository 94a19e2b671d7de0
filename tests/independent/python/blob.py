"""Blobs, FORMAT.md section 5: from sealed chunks to a padded zip."""

import hmac
from dataclasses import dataclass

import blake3
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha20poly1305_open
from nacl.exceptions import CryptoError

from conventions import Refused, derive, padme, u32

MAGIC = b"KEYBKUP"
VERSION = 0x01
TYPE_OF_KIND = {"directory": 0x20, "otp": 0x21}
HEADER = 121
CHUNK = 65_536
TAG = 16
SHORTEST_PLAINTEXT = 16_384
LONGEST_BLOB = 2**40


@dataclass(frozen=True)
class Header:
    type: int
    key_id: bytes
    account: bytes
    persona: bytes
    content_version: int
    salt: bytes
    commitment: bytes


def parse_header(header):
    if len(header) != HEADER:
        raise Refused("the blob's header is truncated")
    if header[:7] != MAGIC or header[7] != VERSION or header[8] not in TYPE_OF_KIND.values():
        raise Refused("the blob's header is of another format, version or type")
    return Header(
        type=header[8],
        key_id=header[9:17],
        account=header[17:33],
        persona=header[33:49],
        content_version=int.from_bytes(header[49:57], "big"),
        salt=header[57:89],
        commitment=header[89:],
    )


def plaintext_length(zip_bytes):
    return max(SHORTEST_PLAINTEXT, padme(zip_bytes + 8))


def blob_length(zip_bytes):
    plaintext = plaintext_length(zip_bytes)
    return HEADER + plaintext + TAG * -(-plaintext // CHUNK)


@dataclass(frozen=True)
class Opened:
    zip_bytes: int
    blob_bytes: int
    blake3: bytes


def open_blob(stream, expected_header, persona_key, plain):
    """Writes the zip to `plain`, an empty file, which is left with nothing else in it."""
    header = stream.read(HEADER)
    parsed = parse_header(header)
    if header != expected_header:
        raise Refused("the blob's header is not the label's")
    derived = derive(persona_key, "blob", header[:89], salt=parsed.salt, length=83)
    key, prefix, commitment = derived[:32], derived[32:51], derived[51:]
    if not hmac.compare_digest(commitment, parsed.commitment):
        raise Refused("the blob's commitment is another key's, or damaged")

    hasher, blob_bytes = blake3.blake3(header), HEADER
    for number, (chunk, last) in enumerate(chunks(stream)):
        blob_bytes += len(chunk)
        if blob_bytes > LONGEST_BLOB:
            raise Refused("the blob is too long")
        hasher.update(chunk)
        if last and len(chunk) <= TAG:
            raise Refused("the blob's last chunk has no tag, or is empty: it was cut")
        try:
            nonce = prefix + u32(number) + bytes([last])
            plain.write(xchacha20poly1305_open(chunk, b"", nonce, key))
        except CryptoError as error:
            raise Refused(f"the tag of the blob's chunk {number} is wrong") from error
    return Opened(strip_padding(plain), blob_bytes, hasher.digest())


def chunks(stream):
    """Sealed chunks, each with whether it is the last; the last one may be short."""
    chunk = stream.read(CHUNK + TAG)
    while True:
        following = stream.read(CHUNK + TAG)
        yield chunk, not following
        if not following:
            return
        chunk = following


def strip_padding(plain):
    """The length of the zip, to which the plaintext is cut when its padding is sound."""
    length = plain.tell()
    plain.seek(max(0, length - 8))
    zip_bytes = int.from_bytes(plain.read(8), "big")
    if length < 8 or length != plaintext_length(zip_bytes):
        raise Refused("the blob's padding is wrong: a zip of that length has another")
    plain.seek(zip_bytes)
    left = length - 8 - zip_bytes
    while left:
        zeros = plain.read(min(left, CHUNK))
        if any(zeros):
            raise Refused("the blob's padding is wrong: it is not zero")
        left -= len(zeros)
    plain.truncate(zip_bytes)
    plain.seek(0)
    return zip_bytes
