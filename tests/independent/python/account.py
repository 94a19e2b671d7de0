"""The way into an account: from a phrase or root key to the keyring, and what the keyring opens."""

import keys
import records
import sealed
from conventions import WrongKey, from_b64
from records import insist


class Keyring:
    """The vault keys of a keyring record, by id."""

    def __init__(self, entries):
        self.vault_keys = {bytes.fromhex(e["id"]): from_b64(e["key"]) for e in entries}
        (self.active,) = (bytes.fromhex(e["id"]) for e in entries if e["state"] == "active")

    def vault_key(self, key_id):
        insist(key_id in self.vault_keys, f"the keyring has no key {key_id.hex()}")
        return self.vault_keys[key_id]

    def any_for(self, kind, sealed_object):
        """Id and key of the vault key that an object names, active or not."""
        key_id = sealed.key_id_of(kind, sealed_object)
        return key_id, self.vault_key(key_id)

    def active_for(self, kind, sealed_object):
        key_id, vault_key = self.any_for(kind, sealed_object)
        insist(key_id == self.active, f"the {kind.label} is not sealed under the active key")
        return key_id, vault_key


def unlock_with_phrase(store, phrase, account=None):
    """The epoch whose recovery slot the phrase opens, and the root key in that slot."""
    verifier, key = keys.verifier(keys.phrase_proof(phrase)), keys.recovery_slot(phrase)
    for epoch in epochs_of(store, account):
        slot = epoch["recovery_slot"]
        # A commitment alone can't tell a damaged slot from another's. With the server's verifier
        # of the phrase one can.
        fits = sealed.fits(sealed.RECOVERY_SLOT, key, slot)
        if fits or epoch["phrase_verifier"] == verifier:
            json = sealed.open_sealed(
                sealed.RECOVERY_SLOT,
                key,
                sealed.NO_KEY_ID,
                epoch["account_id"],
                epoch["id"],
                epoch["generation"],
                slot,
            )
            return epoch, records.parse_slot(json)
    raise WrongKey("the recovery phrase is of no account that is here")


def unlock_with_root(store, root, account=None):
    """The epoch whose keyring the root key opens, and that key."""
    verifier = keys.verifier(keys.root_proof(root))
    for epoch in epochs_of(store, account):
        fits = sealed.fits(sealed.KEYRING, root, epoch["keyring"])
        if fits or epoch["root_verifier"] == verifier:
            return epoch, root
    raise WrongKey("the root key is of no account that is here")


def epochs_of(store, account):
    return [e for e in store.epochs() if account in (None, e["account_id"])]


def open_keyring(epoch, root):
    version = epoch["keyring_version"]
    json = sealed.open_sealed(
        sealed.KEYRING,
        root,
        sealed.NO_KEY_ID,
        epoch["account_id"],
        epoch["id"],
        version,
        epoch["keyring"],
    )
    return Keyring(records.parse_keyring(json, version)["keys"])


def device_names(store, account, keyring):
    """Names of the devices whose records were sealed with a key that this keyring holds."""
    names = {}
    for row in store.devices(account):
        key_id = sealed.key_id_of(sealed.DEVICE_RECORD, row["sealed"])
        if key_id in keyring.vault_keys:
            json = sealed.open_sealed(
                sealed.DEVICE_RECORD,
                keys.device(keyring.vault_key(key_id)),
                key_id,
                account,
                row["id"],
                row["revision"],
                row["sealed"],
            )
            names[row["id"].hex()] = records.parse_device_record(json)["name"]
    return names
