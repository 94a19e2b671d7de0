"""Sealed objects, FORMAT.md section 4: from sealed bytes to the JSON inside."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha20poly1305_open
from nacl.exceptions import CryptoError

from conventions import Refused, derive, padme, round_up, split_lp, u64

VERSION = 0x01
NO_KEY_ID = bytes(8)  # of slots and keyrings
HEAD = 34
SHORTEST = 86
KIB, MIB = 1 << 10, 1 << 20


def padded_to_slot(length):
    return 256


def padded_to_kib(length):
    return round_up(length, KIB)


def padded_by_padme(length):
    return max(4096, padme(length))


@dataclass(frozen=True)
class Kind:
    type: int
    label: str
    padded: Callable
    longest: int


PASSWORD_SLOT = Kind(0x01, "password slot", padded_to_slot, 4 * KIB)
RECOVERY_SLOT = Kind(0x02, "recovery slot", padded_to_slot, 4 * KIB)
KEYRING = Kind(0x04, "keyring", padded_to_kib, 256 * KIB)
INDEX = Kind(0x05, "index", padded_by_padme, 12 * MIB)
LABEL = Kind(0x06, "label", padded_to_kib, 64 * KIB)
DEVICE_RECORD = Kind(0x07, "device record", padded_to_kib, 64 * KIB)
LOCAL_STATE = Kind(0x0A, "local state", padded_by_padme, 512 * MIB)
STAT_CACHE = Kind(0x0B, "stat cache", padded_by_padme, 512 * MIB)


def key_id_of(kind, sealed):
    """The key id in an object's head; that it is authentic shows when the object opens."""
    if len(sealed) < SHORTEST:
        raise Refused(f"the {kind.label} is too short")
    if sealed[0] != VERSION:
        raise Refused(f"the {kind.label} has an unknown version byte")
    if sealed[1] != kind.type:
        raise Refused(f"the {kind.label} has another type byte")
    return sealed[2:10]


def fits(kind, key, sealed):
    """Whether the object says that it was sealed under this key: all else may still be damaged."""
    _, commitment = derive_pair(kind, key, sealed)
    return hmac.compare_digest(commitment, sealed[HEAD : HEAD + 32])


def open_sealed(kind, key, key_id, account, object_id, version, sealed):
    """The JSON inside, as bytes, in the order of checks that the format asks for."""
    if key_id_of(kind, sealed) != key_id:
        raise Refused(f"the {kind.label} names another key id")
    if len(sealed) > kind.longest:
        raise Refused(f"the {kind.label} is too long")
    if not fits(kind, key, sealed):
        raise Refused(f"the {kind.label}'s commitment is another key's, or damaged")
    encryption_key, _ = derive_pair(kind, key, sealed)
    bound = sealed[:HEAD] + account + object_id + u64(version)
    try:
        plaintext = xchacha20poly1305_open(
            sealed[HEAD + 32 :], bound, nonce_of(sealed), encryption_key
        )
    except CryptoError as error:
        raise Refused(f"the {kind.label}'s tag is wrong: it is damaged, or another one") from error
    return without_padding(kind, plaintext)


def nonce_of(sealed):
    return sealed[10:HEAD]


def derive_pair(kind, key, sealed):
    """Encryption key and commitment."""
    pair = derive(key, kind.label, salt=nonce_of(sealed), length=64)
    return pair[:32], pair[32:]


def without_padding(kind, plaintext):
    try:
        json, padding = split_lp(plaintext)
    except Refused as error:
        raise Refused(f"the {kind.label}'s padding is wrong: {error}") from error
    if len(plaintext) != kind.padded(4 + len(json)) or any(padding):
        raise Refused(f"the {kind.label}'s padding is wrong")
    return json
