"""Recovery phrases, FORMAT.md section 2.3."""

import hashlib
import re

from mnemonic import Mnemonic

from conventions import WHITE_SPACE, WrongKey

NUMBERS = {word: number for number, word in enumerate(Mnemonic("english").wordlist)}


def parse(typed):
    """The 16 bytes that twelve words of BIP39 stand for."""
    # Lower case of ASCII only: Python's own makes a k of the Kelvin sign.
    words = [word.encode().lower().decode() for word in re.split(WHITE_SPACE, typed) if word]
    if len(words) != 12:
        raise WrongKey(f"a recovery phrase has twelve words, not {len(words)}")
    bits = 0
    for place, word in enumerate(words, 1):
        if word not in NUMBERS:
            raise WrongKey(f"word {place} is none of the recovery phrases' words")
        bits = bits << 11 | NUMBERS[word]
    entropy, checksum = (bits >> 4).to_bytes(16, "big"), bits & 0xF
    if hashlib.sha256(entropy).digest()[0] >> 4 != checksum:
        raise WrongKey("the recovery phrase's checksum is wrong: a word is mistyped or misplaced")
    return entropy
