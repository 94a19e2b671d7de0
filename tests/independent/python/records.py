"""The JSON records of FORMAT.md section 6: every field is there and is what it may be."""

import re

from blob import TYPE_OF_KIND, blob_length, parse_header
from conventions import CONTROL, Refused, from_b64, parse_json

LARGEST = 2**53 - 1
KEY_ID = re.compile("[0-9a-f]{16}")
ID = re.compile("[0-9a-f]{32}")


# What a field may be: functions from a value to whether it is that.


def integer(value):
    return type(value) is int and 0 <= value <= LARGEST


def counter(value):
    return integer(value) and value > 0


def time(value):
    return type(value) is int and -LARGEST <= value <= LARGEST


def boolean(value):
    return type(value) is bool


def kind(value):
    return type(value) is str and value in TYPE_OF_KIND


def key_id(value):
    return type(value) is str and bool(KEY_ID.fullmatch(value)) and value != "0" * 16


def identity(value):
    return type(value) is str and bool(ID.fullmatch(value))


def bytes_of(length):
    def check(value):
        try:
            return type(value) is str and len(from_b64(value)) == length
        except Refused:
            return False

    return check


digest = bytes_of(32)


def text(shortest, longest):
    """Text of so many bytes of UTF-8 without control characters."""

    def check(value):
        try:
            length = len(value.encode()) if type(value) is str else -1
        except UnicodeEncodeError:  # half of a surrogate pair
            return False
        return shortest <= length <= longest and not CONTROL.search(value)

    return check


def name(value):
    return (
        text(1, 255)(value) and value not in (".", "..") and not re.search("/|[.]keybackup-", value)
    )


def nullable(check):
    return lambda value: value is None or check(value)


def record(fields):
    """An object with at least these fields."""

    def check(value):
        return type(value) is dict and all(
            f in value and fits(value[f]) for f, fits in fields.items()
        )

    return check


def sequence(check, longest=LARGEST):
    return lambda value: type(value) is list and len(value) <= longest and all(map(check, value))


SLOT = {"root": bytes_of(32)}

KEYRING = {
    "version": counter,
    "min_writer": integer,
    "keys": sequence(
        record(
            {
                "id": key_id,
                "key": bytes_of(32),
                "state": lambda value: value in ("active", "open-only"),
            }
        ),
        1024,
    ),
}

INDEX = {
    "counter": counter,
    "keyring_version": counter,
    "min_writer": integer,
    "objects": sequence(
        record(
            {
                "id": identity,
                "kind": kind,
                "name": name,
                "floor": counter,
                "label": digest,
                "removed": boolean,
            }
        )
    ),
}

LABEL = {
    "kind": kind,
    "name": name,
    "nickname": nullable(text(1, 255)),
    "version": counter,
    "content_version": nullable(counter),
    "removed": boolean,
    "content": nullable(
        record(
            {
                "header": bytes_of(121),
                "blake3": digest,
                "blob_bytes": integer,
                "zip_bytes": integer,
                "fingerprint": digest,
                "files": integer,
                "directories": integer,
                "bytes": integer,
            }
        )
    ),
    "device": identity,
    "time": time,
    "previous": nullable(digest),
    "keyring_version": counter,
    "supersedes": sequence(record({"version": counter, "label": digest}), 64),
}

DEVICE_RECORD = {"name": name, "platform": text(0, 64), "created_at": time}

MARK = {
    "version": counter,
    "label": digest,
    "seen_at": time,
    "base": nullable(
        record({"version": counter, "fingerprint": digest, "directory": text(0, LARGEST)})
    ),
}

LOCAL_STATE = {
    "epoch": identity,
    "keyring_version": integer,
    "index_counter": integer,
    "index": nullable(digest),
    "seen_at": time,
    "personas": lambda value: (
        type(value) is dict and all(map(identity, value)) and all(map(record(MARK), value.values()))
    ),
}


def parse(json, fields, what):
    value = parse_json(json)
    if type(value) is not dict:
        raise Refused(f"the {what} is no object")
    for field, fits in fields.items():
        if field not in value:
            raise Refused(f"the {what} misses the field {field}")
        if not fits(value[field]):
            raise Refused(f"the {what}'s field {field} is not what it may be")
    return value


def insist(holds, what):
    if not holds:
        raise Refused(what)


def each_once(values):
    values = list(values)
    return len(set(values)) == len(values)


def parse_slot(json):
    return from_b64(parse(json, SLOT, "slot")["root"])


def parse_keyring(json, version):
    keyring = parse(json, KEYRING, "keyring")
    keys = keyring["keys"]
    insist(keyring["version"] == version, "the keyring says another version")
    insist(each_once(key["id"] for key in keys), "the keyring has a key twice")
    active = [key for key in keys if key["state"] == "active"]
    insist(len(active) == 1, "the keyring has not exactly one active key")
    for key in keys:
        insist(f'"{key["key"]}"'.encode() in json, "the keyring writes a key with escapes")
    return keyring


def parse_index(json, version):
    index = parse(json, INDEX, "index")
    objects = index["objects"]
    insist(index["counter"] == version, "the index says another counter")
    insist(each_once(entry["id"] for entry in objects), "the index has a persona twice")
    names = (entry["name"] for entry in objects if not entry["removed"])
    insist(each_once(names), "the index has a name twice")
    return index


def parse_label(json, account, persona, version):
    label = parse(json, LABEL, "label")
    content, content_version = label["content"], label["content_version"]
    insist(label["version"] == version, "the label says another version")
    insist(
        label["removed"] == (content is None) == (content_version is None),
        "the label is a tombstone in one field and none in another",
    )
    insist(version > 1 or label["previous"] is None, "the first label names one before it")
    insist(
        all(passed["version"] < version for passed in label["supersedes"]),
        "the label supersedes one that is not below it",
    )
    if content:
        insist(content_version <= version, "the label's content version is above its own")
        header = parse_header(from_b64(content["header"]))
        insist(
            header.type == TYPE_OF_KIND[label["kind"]]
            and header.account == account
            and header.persona == persona
            and header.content_version == content_version,
            "the label's header is another blob's",
        )
        insist(
            content["blob_bytes"] == blob_length(content["zip_bytes"]),
            "the label's lengths of blob and zip don't fit together",
        )
    return label


def parse_device_record(json):
    return parse(json, DEVICE_RECORD, "device record")


def parse_local_state(json):
    state = parse(json, LOCAL_STATE, "local state")
    insist(
        (state["index"] is None) == (state["index_counter"] == 0),
        "the local state has an index without its counter, or the other way round",
    )
    return state
