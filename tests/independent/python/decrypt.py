"""Opens what a keybackup server holds, without keybackup, written from FORMAT.md alone.

    python3 decrypt.py --data DIR (--phrase-file FILE | --root HEX) [--account ID] list [--json]
    python3 decrypt.py --data DIR (--phrase-file FILE | --root HEX) [--account ID] unpack DIR

Its packages: pip install -r requirements.txt. `unpack` puts each persona into a directory of its
name. Exit codes: 0 done, 1 the local disk, 2 usage, 12 wrong phrase or root key, 14 something is
not as the format says."""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import archive
import blob
import keys
import listing
import phrase
from account import Keyring, device_names, open_keyring, unlock_with_phrase, unlock_with_root
from conventions import Refused, WrongKey, from_b64
from records import insist
from store import Store

IN_MEMORY = 64 << 20  # of a zip; larger ones go through an unnamed temporary file


@dataclass(frozen=True)
class Account:
    id: bytes
    keyring: Keyring
    personas: list


def main():
    arguments = parse_arguments()
    try:
        with Store(arguments.data) as store:
            epoch, root = unlock(store, arguments)
            account = open_account(store, epoch, root)
            if arguments.command == "list":
                show(store, account, arguments.json)
            else:
                unpack_all(store, account, Path(arguments.directory))
    except WrongKey as error:
        fail(12, error)
    except Refused as error:
        fail(14, error)
    except OSError as error:
        fail(1, error)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Opens what a keybackup server holds.")
    parser.add_argument("--data", required=True, metavar="DIR", help="the server's data directory")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument(
        "--phrase-file", type=Path, metavar="FILE", help="holds the recovery phrase"
    )
    secret.add_argument("--root", type=hexadecimal(32), metavar="HEX", help="the root key")
    parser.add_argument("--account", type=hexadecimal(16), metavar="ID", help="only this account")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list").add_argument("--json", action="store_true")
    commands.add_parser("unpack").add_argument("directory", metavar="DIR")
    return parser.parse_args()


def hexadecimal(length):
    def parse(text):
        if not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", text):
            raise argparse.ArgumentTypeError(f"not {length} bytes in lower-case hexadecimal")
        return bytes.fromhex(text)

    return parse


def unlock(store, arguments):
    if arguments.root:
        return unlock_with_root(store, arguments.root, arguments.account)
    try:
        typed = arguments.phrase_file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WrongKey("the recovery phrase is not text") from error
    return unlock_with_phrase(store, phrase.parse(typed), arguments.account)


def open_account(store, epoch, root):
    keyring = open_keyring(epoch, root)
    personas = listing.check(store.listing(epoch), keyring)
    return Account(epoch["account_id"], keyring, personas)


def show(store, account, as_json):
    devices = device_names(store, account.id, account.keyring)
    if as_json:
        personas = [described(persona, devices) for persona in account.personas]
        print(json.dumps({"account": account.id.hex(), "personas": personas}, ensure_ascii=False))
        return
    for persona in account.personas:
        label, content = persona.label, persona.label["content"]
        what = f"{content['files']} files, {content['bytes']} bytes" if content else "removed"
        by = devices.get(label["device"], label["device"])
        print(f"{label['name']}  version {label['version']}  {what}  by {by}  {persona.id.hex()}")


def described(persona, devices):
    """The fields of the label that mean something outside of the format."""
    label = persona.label
    shown = ("name", "nickname", "kind", "version", "content_version", "removed", "time")
    counts = ("files", "directories", "bytes", "zip_bytes", "blob_bytes", "fingerprint")
    return (
        {"id": persona.id.hex(), "device": devices.get(label["device"], label["device"])}
        | {field: label[field] for field in shown}
        | {field: (label["content"] or {}).get(field) for field in counts}
    )


def unpack_all(store, account, directory):
    """Unpacks whatever is sound, and fails at the end when something was not."""
    directory.mkdir(parents=True, exist_ok=True)
    damaged = []
    for persona in account.personas:
        name = persona.label["name"]
        if persona.label["removed"]:
            continue
        try:
            unpack_persona(store, account, persona, directory)
            print(f"{name}  version {persona.label['version']}  unpacked")
        except Refused as error:
            print(f"{name}: {error}", file=sys.stderr)
            damaged.append(name)
    insist(not damaged, f"damaged, and not unpacked: {', '.join(damaged)}")


def unpack_persona(store, account, persona, directory):
    target = directory / persona.label["name"]
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    content = persona.label["content"]
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as zip_file:
        open_content(store, account, persona, zip_file)
        entries = archive.read_entries(zip_file, content["zip_bytes"])
        files = [entry for entry in entries if not entry.directory]
        insist(
            content["files"] == len(files)
            and content["directories"] == len(entries) - len(files)
            and content["bytes"] == sum(file.size for file in files),
            "counts or sum of sizes are not the label's",
        )
        # No persona is called so, and a rename makes all of it appear at once.
        staging = directory / f".keybackup-{persona.id.hex()}"
        try:
            fingerprint = archive.unpack(zip_file, entries, staging)
            insist(
                fingerprint == from_b64(content["fingerprint"]),
                "the fingerprint is not the label's",
            )
            archive.finish(entries, staging)
            os.rename(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def open_content(store, account, persona, zip_file):
    label, content = persona.label, persona.label["content"]
    header = from_b64(content["header"])
    vault_key = account.keyring.vault_key(blob.parse_header(header).key_id)
    with store.blob(account.id, persona.id, label["content_version"]) as stream:
        opened = blob.open_blob(stream, header, keys.persona(vault_key, persona.id), zip_file)
    insist(
        opened.zip_bytes == content["zip_bytes"]
        and opened.blob_bytes == content["blob_bytes"]
        and opened.blake3 == from_b64(content["blake3"]),
        "the blob's hash or lengths are not the label's",
    )


def fail(code, error):
    print(f"decrypt.py: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
