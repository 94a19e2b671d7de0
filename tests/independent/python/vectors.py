"""Runs every test vector of client/vectors, as the end of FORMAT.md says how.

    python3 vectors.py [VECTORS]

A vector that must fail has to fail for the reason that it names. Prints counts; exits 1 when a
vector fails, or when it names an operation or expectation that this program does not know."""

import io
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import archive
import blob
import conventions
import keys
import listing
import password
import phrase
import records
import sealed
from account import Keyring
from conventions import Refused, WrongKey

DEFAULT = Path(__file__).resolve().parents[3] / "client" / "vectors"


class Vector:
    def __init__(self, path):
        fields, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        self.path = path
        self.fields = [
            (f, v.strip()) for f, _, v in (line.partition(":") for line in fields.split("\n"))
        ]
        self.body = bytes.fromhex(body)

    def texts(self, field):
        return [value for name, value in self.fields if name == field]

    def has(self, field):
        return bool(self.texts(field))

    def text(self, field):
        (value,) = self.texts(field)
        return value

    def bytes(self, field):
        return bytes.fromhex(self.text(field))

    def number(self, field):
        return int(self.text(field))


class Mismatch(Exception):
    """Our value differs from the vector's."""


def same(ours, theirs):
    if ours != theirs:
        raise Mismatch(f"{ours!r} is not {theirs!r}")


def run_lp(vector):
    value, rest = conventions.split_lp(vector.body)
    if rest:
        raise Refused("bytes trail the value")
    same(value, vector.bytes("value"))
    same(conventions.lp(value), vector.body)


def run_padme(vector):
    same(conventions.padme(vector.number("bytes")), vector.number("padded"))


def run_blob_length(vector):
    same(blob.blob_length(vector.number("zip-bytes")), vector.number("blob-bytes"))


def run_password(vector):
    same(password.prepare(vector.body), vector.bytes("prepared"))


def run_address(vector):
    same(password.normal_address(vector.body), vector.text("address"))


def run_phrase(vector):
    same(phrase.parse(vector.body.decode()), vector.bytes("entropy"))


def run_derive(vector):
    contexts = map(bytes.fromhex, vector.texts("context"))
    salt = vector.bytes("salt")
    output = conventions.derive(
        vector.bytes("key"), vector.text("label"), *contexts, salt=salt, length=83
    )
    same(output, vector.body)


BRANCHES = {
    "device-record": keys.device,
    "index": keys.index,
    "keyring": lambda root: root,
    "label": keys.label,
    "local-state": keys.local_state,
    "parcel": keys.local_state,
    "password-slot": keys.password_slot,
    "phrase-proof": keys.phrase_proof,
    "phrase-verifier": keys.verifier,
    "recovery-slot": keys.recovery_slot,
    "root-proof": keys.root_proof,
    "root-verifier": keys.verifier,
    "stat-cache": keys.local_state,
    "token-record": keys.device,
}


def run_tree(vector):
    name, key = vector.text("name"), vector.bytes("from")
    if name == "persona":
        same(keys.persona(key, vector.bytes("persona")), vector.bytes("key"))
    else:
        same(BRANCHES[name](key), vector.bytes("key"))


def run_ksf(vector):
    same(password.stretch(vector.bytes("input"), vector.number("mebibytes")), vector.body)


def run_opaque_input(vector):
    output = password.opaque_input(
        vector.bytes("context"), vector.bytes("identity"), vector.text("prepared").encode()
    )
    same(output, vector.body)


def run_fingerprint(vector):
    ours, left = b"", vector.body
    while left:
        path, left = conventions.split_lp(left)
        path, permissions = path.decode(), int.from_bytes(left[1:5], "big")
        if left[:1] == b"d":
            ours += archive.fingerprint_of_directory(path, permissions)
            left = left[5:]
        else:
            ticks = int.from_bytes(left[5:13], "big")
            ours += archive.fingerprint_of_file(path, permissions, ticks, left[13:45])
            left = left[45:]
    same(ours, vector.body)
    same(conventions.blake3(ours), vector.bytes("fingerprint"))


KINDS = {
    kind.label.replace(" ", "-"): kind
    for kind in (
        sealed.PASSWORD_SLOT,
        sealed.RECOVERY_SLOT,
        sealed.KEYRING,
        sealed.INDEX,
        sealed.LABEL,
        sealed.DEVICE_RECORD,
        sealed.LOCAL_STATE,
        sealed.STAT_CACHE,
    )
}


def run_object(vector):
    kind = KINDS[vector.text("type")]
    account, object_id = vector.bytes("account"), vector.bytes("object")
    version = vector.number("version")
    key, key_id = key_of_object(vector, kind, object_id)
    opened = sealed.open_sealed(kind, key, key_id, account, object_id, version, vector.body)
    if vector.has("json"):
        same(opened, vector.text("json").encode())
    try:
        parse_record(kind, opened, account, object_id, version)
    except Refused as error:
        raise Refused(f"the record: {error}") from error


def parse_record(kind, opened, account, object_id, version):
    if kind in (sealed.PASSWORD_SLOT, sealed.RECOVERY_SLOT):
        records.parse_slot(opened)
    elif kind is sealed.KEYRING:
        records.parse_keyring(opened, version)
    elif kind is sealed.INDEX:
        records.parse_index(opened, version)
    elif kind is sealed.LABEL:
        records.parse_label(opened, account, object_id, version)
    elif kind is sealed.DEVICE_RECORD:
        records.parse_device_record(opened)
    elif kind is sealed.LOCAL_STATE:
        records.parse_local_state(opened)


def key_of_object(vector, kind, object_id):
    if vector.has("phrase"):
        return keys.recovery_slot(vector.bytes("phrase")), sealed.NO_KEY_ID
    if vector.has("export-key"):
        return keys.password_slot(vector.bytes("export-key")), sealed.NO_KEY_ID
    if vector.has("root"):
        return vector.bytes("root"), sealed.NO_KEY_ID
    key_id = vector.bytes("key-id")
    keyring = keyring_of_one(vector)
    if kind is sealed.INDEX:
        key_id, vault_key = keyring.active_for(kind, vector.body)
        return keys.index(vault_key), key_id
    key_id, vault_key = keyring.any_for(kind, vector.body)
    if kind is sealed.LABEL:
        return keys.label(keys.persona(vault_key, object_id)), key_id
    if kind is sealed.DEVICE_RECORD:
        return keys.device(vault_key), key_id
    return keys.local_state(vault_key), key_id


def keyring_of_one(vector):
    """A keyring with the vector's key, which is active unless its state says otherwise."""
    key = keyring_entry(vector, "key-id", "vault-key")
    if not vector.has("key-state"):
        return Keyring([key])
    active = key | {"id": "ff" * 8}
    return Keyring([active, key | {"state": vector.text("key-state")}])


def keyring_entry(vector, id_field, key_field, state="active"):
    key = conventions.b64(vector.bytes(key_field))
    return {"id": vector.text(id_field), "key": key, "state": state}


def run_listing(vector):
    active = keyring_entry(vector, "key-id", "vault-key")
    retired = keyring_entry(vector, "retired-key-id", "retired-vault-key", "open-only")
    keyring = Keyring([active, retired])
    answers = json.loads(vector.body)
    listed = listing_of_answers(answers["listing"], answers["labels"])
    records.insist(listed.account == vector.bytes("account"), "this is another account's listing")
    records.insist(listed.epoch == vector.bytes("epoch"), "this is another epoch")
    seen = seen_of(json.loads(vector.text("seen"))) if vector.has("seen") else None
    listing.check(listed, keyring, seen)


def listing_of_answers(answer, labels):
    def stored(entry):
        return listing.Stored(entry["version"], conventions.from_b64(entry["label"]))

    def older(persona, start):
        return [stored(e) for e in labels[persona.hex()]["labels"] if e["version"] >= start]

    return listing.Listing(
        account=bytes.fromhex(answer["account_id"]),
        epoch=bytes.fromhex(answer["epoch"]),
        keyring_version=answer["keyring_version"],
        index_counter=answer["index"]["counter"],
        index=conventions.from_b64(answer["index"]["sealed"]),
        personas=[(bytes.fromhex(entry["id"]), stored(entry)) for entry in answer["personas"]],
        older=older,
    )


def seen_of(seen):
    return listing.Seen(
        epoch=bytes.fromhex(seen["epoch"]),
        keyring_version=seen["keyring_version"],
        index_counter=seen["index_counter"],
        index=seen["index"],
        personas={
            bytes.fromhex(id): listing.Mark(mark["version"], mark["label"])
            for id, mark in seen["personas"].items()
        },
    )


def run_zip(vector):
    zip_file = io.BytesIO(vector.body)
    entries = archive.read_entries(zip_file, len(vector.body))
    with tempfile.TemporaryDirectory() as directory:
        fingerprint = archive.unpack(zip_file, entries, Path(directory) / "unpacked")
    same(fingerprint, vector.bytes("fingerprint"))
    files = [entry for entry in entries if not entry.directory]
    same(len(files), vector.number("files"))
    same(len(entries) - len(files), vector.number("directories"))
    same(sum(file.size for file in files), vector.number("bytes"))


def run_blob(vector):
    plain = io.BytesIO()
    persona_key = keys.persona(vector.bytes("vault-key"), vector.bytes("persona"))
    stream = io.BytesIO(body_of_blob(vector))
    opened = blob.open_blob(stream, vector.bytes("header"), persona_key, plain)
    same(opened.zip_bytes, vector.number("zip-bytes"))
    same(opened.blake3, vector.bytes("blake3"))
    same(opened.blob_bytes, len(vector.body))
    same(conventions.blake3(plain.getvalue()), vector.bytes("zip-blake3"))


def body_of_blob(vector):
    if not vector.has("base"):
        return vector.body
    body = bytearray(Vector(vector.path.with_stem(vector.text("base"))).body)
    if vector.has("flip"):
        body[vector.number("flip")] ^= 1
    if vector.has("cut"):
        del body[vector.number("cut") :]
    if vector.has("chunks"):
        step = blob.CHUNK + blob.TAG
        sealed_chunks = [body[at : at + step] for at in range(blob.HEADER, len(body), step)]
        order = map(int, vector.text("chunks").split())
        body[blob.HEADER :] = b"".join(sealed_chunks[number] for number in order)
    if vector.has("append"):
        body += vector.bytes("append")
    return bytes(body)


# For each operation what runs it and, for each way in which its vectors fail, what we then say.
OPERATIONS = {
    "lp": (run_lp, {"truncated": "truncated", "trailing": "trail"}),
    "padme": (run_padme, {}),
    "blob-length": (run_blob_length, {}),
    "password": (
        run_password,
        {"empty": "empty", "forbidden": "forbidden", "too-long": "too long"},
    ),
    "address": (run_address, {"form": "form", "local": "local part", "domain": "domain"}),
    "phrase": (
        run_phrase,
        {"word-count": "twelve words", "unknown-word": "is none of", "checksum": "checksum"},
    ),
    "derive": (run_derive, {}),
    "tree": (run_tree, {}),
    "ksf": (run_ksf, {}),
    "opaque-input": (run_opaque_input, {}),
    "fingerprint": (run_fingerprint, {}),
    "object": (
        run_object,
        {
            "too-short": "too short",
            "unknown-version": "unknown version byte",
            "unknown-type": "another type byte",
            "wrong-type": "another type byte",
            "unknown-key": "the keyring has no key",
            "retired-key": "active key",
            "commitment": "commitment",
            "damaged": "tag is wrong",
            "padding": "padding is wrong",
            "json": "the record: .*(not JSON|misses|is not what it may be)",
            "rule": "the record: ",
        },
    ),
    "blob": (
        run_blob,
        {
            "truncated": "truncated",
            "header": "header is of another",
            "header-mismatch": "header is not the label's",
            "commitment": "commitment",
            "damaged": "tag",
            "padding": "padding is wrong",
        },
    ),
    "zip": (
        run_zip,
        {
            "archive": "the zip|header|another length|extra fields|does not lie",
            "entry": "header|stands in|is no entry|a method|two sizes|lie where|extra fields",
            "name": "no path|not UTF-8",
            "content": "the content of",
        },
    ),
    "listing": (
        run_listing,
        {
            "commitment": "commitment",
            "damaged": "tag is wrong",
            "duplicate": "twice",
            "forgery": "another|expect|indexed|one place|its end|active key|not the one|misses",
            "other-account": "another account",
            "retired-key": "active key",
            "rollback": "older|newer keyring|missing|another epoch",
        },
    ),
}


def run(vector):
    """What went otherwise than the vector says, or None."""
    operation, expect = vector.text("operation"), vector.text("expect")
    if operation not in OPERATIONS:
        return f"unknown operation {operation}"
    run_operation, reasons = OPERATIONS[operation]
    if expect != "success" and expect not in reasons:
        return f"unknown expectation {expect}"
    try:
        run_operation(vector)
    except (Refused, WrongKey) as error:
        if expect == "success":
            return f"refused: {error}"
        return None if re.search(reasons[expect], str(error)) else f"not {expect}, but: {error}"
    except Mismatch as error:
        return str(error)
    return None if expect == "success" else f"not refused, but {expect} is expected"


def main():
    vectors = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    ran, failed = Counter(), 0
    for path in sorted(vectors.rglob("*.txt")):
        vector = Vector(path)
        problem = run(vector)
        ran[vector.text("operation"), vector.text("expect") == "success"] += 1
        if problem:
            failed += 1
            print(f"{path.relative_to(vectors)}: {problem}", file=sys.stderr)
    for operation in OPERATIONS:
        print(
            f"{operation}: {ran[operation, True]} that succeed, {ran[operation, False]} that fail"
        )
    print(f"{ran.total()} vectors ran, 0 were skipped, {failed} went wrong")
    sys.exit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
