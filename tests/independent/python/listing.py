"""What a listing of a whole account may be: FORMAT.md section 7."""

from collections.abc import Callable
from dataclasses import dataclass

import keys
import records
import sealed
from conventions import b64, blake3
from records import insist


@dataclass(frozen=True)
class Stored:
    """A label as it is stored."""

    version: int
    label: bytes


@dataclass(frozen=True)
class Mark:
    """A version that is known, by BLAKE3 of its label."""

    version: int
    label: str


@dataclass(frozen=True)
class Listing:
    account: bytes
    epoch: bytes
    keyring_version: int
    index_counter: int
    index: bytes
    personas: list  # of persona id and its newest label, Stored
    older: Callable  # from persona id and version to the labels from there on, oldest first


@dataclass(frozen=True)
class Persona:
    id: bytes
    label: dict


@dataclass(frozen=True)
class Seen:
    """What a device has seen of an epoch."""

    epoch: bytes
    keyring_version: int
    index_counter: int
    index: str
    personas: dict  # from persona id to Mark


def check(listing, keyring, seen=None):
    """The newest label of each persona, if the listing agrees with itself and with what the device
    has seen, which is nothing on a fresh one."""
    if seen:
        check_not_older(listing, seen)
    marks = seen.personas if seen else {}
    index = open_index(listing, keyring)
    indexed = {bytes.fromhex(entry["id"]): entry for entry in index["objects"]}
    listed = dict(listing.personas)
    insist(len(listed) == len(listing.personas), "a persona is listed twice")
    insist(indexed.keys() | marks.keys() <= listed.keys(), "a persona is missing from the listing")
    insist(listed.keys() <= indexed.keys(), "a persona is listed, but not indexed")
    return [
        Persona(id, newest_label(listing, keyring, id, newest, indexed[id], marks.get(id)))
        for id, newest in listed.items()
    ]


def check_not_older(listing, seen):
    insist(listing.epoch == seen.epoch, "this is another epoch than was seen")
    insist(
        listing.keyring_version >= seen.keyring_version
        and listing.index_counter >= seen.index_counter,
        "the keyring or the index is older than was seen",
    )
    insist(
        listing.index_counter > seen.index_counter or b64(blake3(listing.index)) == seen.index,
        "the index is not the one that was seen",
    )


def open_index(listing, keyring):
    key_id, vault_key = keyring.active_for(sealed.INDEX, listing.index)
    json = sealed.open_sealed(
        sealed.INDEX,
        keys.index(vault_key),
        key_id,
        listing.account,
        listing.epoch,
        listing.index_counter,
        listing.index,
    )
    index = records.parse_index(json, listing.index_counter)
    insist(index["keyring_version"] <= listing.keyring_version, "the index knows a newer keyring")
    return index


def newest_label(listing, keyring, persona, newest, indexed, mark):
    """The label that stands, when it and all that are known to lead to it are what they may be."""
    who = f"the persona {persona.hex()}"
    floor = start = Mark(indexed["floor"], indexed["label"])
    insist(newest.version >= floor.version, f"{who} is older than the index says")
    insist(
        newest.version == floor.version or not indexed["removed"], f"{who} lives on after its end"
    )
    if mark:
        insist(newest.version >= mark.version, f"{who} is older than was seen")
        same_label = mark.version != floor.version or mark == floor
        insist(same_label, f"{who} has another label at the floor than was seen")
        start = max(floor, mark, key=lambda known: known.version)

    chain = [newest]
    if newest.version > start.version:
        older = listing.older(persona, start.version)
        chain = [stored for stored in older if stored.version < newest.version] + chain
    insist(chain[0].version == start.version, f"{who} misses the label that others build on")

    before = None
    for stored in chain:
        label = open_label(listing, keyring, persona, stored, stored.version > floor.version)
        insist(
            (label["kind"], label["name"]) == (indexed["kind"], indexed["name"]),
            f"{who} has a label with another kind or name than the index's",
        )
        if stored.version == floor.version:
            insist(label["removed"] == indexed["removed"], f"{who} is removed only in one place")
        if before is None:
            expected = b64(blake3(stored.label)) == start.label
            insist(expected, f"{who} has a label that is not the expected one")
        else:
            insist(stored.version > before.version, f"{who} has labels in another order")
            insist(
                label["previous"] == b64(blake3(before.label)),
                f"{who} has a label that follows another one",
            )
        before = stored
    insist(label["keyring_version"] <= listing.keyring_version, f"{who} knows a newer keyring")
    return label


def open_label(listing, keyring, persona, stored, above_floor):
    key_for = keyring.active_for if above_floor else keyring.any_for
    key_id, vault_key = key_for(sealed.LABEL, stored.label)
    json = sealed.open_sealed(
        sealed.LABEL,
        keys.label(keys.persona(vault_key, persona)),
        key_id,
        listing.account,
        persona,
        stored.version,
        stored.label,
    )
    return records.parse_label(json, listing.account, persona, stored.version)
