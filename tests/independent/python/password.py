"""Passwords and addresses as they are typed, and what OPAQUE gets of them: FORMAT.md sections 2.1,
2.2 and 3.1. The decryptor needs none of it; the vectors do."""

import hashlib
import re

import idna.core
import unicodedata2  # Python's own tables are older than the format's
from argon2.low_level import Type, hash_secret_raw

from conventions import WHITE_SPACE, Refused, lp

assert unicodedata2.unidata_version == "18.0.0"

JOINERS = "\u200c\u200d"
ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DOT_ATOM = re.compile(rf"{ATOM}(\.{ATOM})*")


def prepare(typed):
    """RFC 8265's OpaqueString, from and to UTF-8."""
    if len(typed) > 4096:
        raise Refused("the password is too long")
    category = unicodedata2.category
    spaced = "".join(" " if category(c) == "Zs" else c for c in decode(typed))
    prepared = unicodedata2.normalize("NFC", spaced)
    if not prepared:
        raise Refused("the password is empty")
    for character in prepared:
        if character in JOINERS:
            continue
        if category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"):
            raise Refused(f"U+{ord(character):04X} is forbidden in a password")
    return prepared.encode()


def normal_address(typed):
    trimmed = re.sub(f"^{WHITE_SPACE}|{WHITE_SPACE}$", "", decode(typed))
    local, at, domain = trimmed.rpartition("@")
    if not (at and local and domain):
        raise Refused("an address has the form local@domain")
    if len(local) > 64 or not DOT_ATOM.fullmatch(local):
        raise Refused("the local part is not a dot-atom of at most 64 characters")
    address = f"{local.lower()}@{normal_domain(domain)}"
    if len(address) > 254:
        raise Refused("the address is too long")
    return address


def normal_domain(domain):
    """UTS 46 to A-labels, with STD3 rules, hyphens, joiners, bidi and lengths checked."""
    try:
        labels = idna.uts46_remap(domain, std3_rules=True).split(".")
        if any(unicodedata2.bidirectional(c) in ("R", "AL", "AN") for c in "".join(labels)):
            for label in labels:
                idna.core.check_bidi(label, check_ltr=True)
        normal = ".".join(map(a_label, labels))
    except UnicodeError as error:
        raise Refused(f"the domain is none: {error}") from error
    if len(normal) > 253:
        raise Refused("the domain is too long")
    return normal


def a_label(label):
    if label.startswith("xn--"):
        shown = label[4:].encode().decode("punycode")
        if idna.uts46_remap(shown) != shown or shown.isascii() or a_label(shown) != label:
            raise Refused("the domain has an A-label that stands for none")
        return label
    if label[2:4] == "--" or label.startswith("-") or label.endswith("-"):
        raise Refused("the domain has a hyphen where none may be")
    if not label.isascii():
        idna.core.check_initial_combiner(label)
        for place, character in enumerate(label):
            if character in JOINERS and not idna.core.valid_contextj(label, place):
                raise Refused("the domain has a joiner where none may be")
        label = "xn--" + label.encode("punycode").decode()
    if not 1 <= len(label) <= 63:
        raise Refused("the domain has an empty label, or one that is too long")
    return label


def decode(typed):
    try:
        return typed.decode()
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error


def opaque_input(context, identity, prepared):
    return hashlib.sha512(context + lp(identity) + lp(prepared)).digest()


def stretch(evaluated, mebibytes):
    """Argon2id as suite 1 has it, of what the OPRF gives."""
    return hash_secret_raw(
        secret=evaluated,
        salt=bytes(16),
        time_cost=3,
        memory_cost=mebibytes * 1024,
        parallelism=4,
        hash_len=64,
        type=Type.ID,
        version=0x13,
    )
