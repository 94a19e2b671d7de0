"""What a server's data directory holds, read and never written: the rows of schema.sql in
`keybackup.db`, and in `blobs/` a file for each row of blob_parts."""

import io
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from conventions import Refused
from listing import Listing, Stored

DATABASE = "keybackup.db"
NUMBERS = ("version", "keyring_version", "generation", "counter", "revision")
TYPES = {"name": str} | dict.fromkeys(NUMBERS, int)  # of columns; all others are bytes
PART_NAME = re.compile("[0-9a-f]{32}")


class Store:
    """One snapshot of a data directory, whether its server runs or not."""

    def __init__(self, data):
        self.data = Path(data)
        self.closing = ExitStack()
        self.rows = self.closing.enter_context(closing(self.connect()))
        self.rows.row_factory = sqlite3.Row
        self.all("BEGIN")

    def connect(self):
        database = self.data / DATABASE
        database.open("rb").close()  # since SQLite would not say what is wrong
        # A write-ahead log is read with the help of a file beside it. Where that can't be made,
        # nothing writes the database either, and a copy serves as well.
        if not os.access(self.data, os.W_OK):
            copy = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
            for file in (database, self.data / f"{DATABASE}-wal"):
                if file.exists():
                    shutil.copyfile(file, copy / file.name)
            database = copy / DATABASE
        uri = f"{database.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.closing.close()

    def all(self, query, *values):
        try:
            rows = self.rows.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeError) as error:
            raise Refused(f"the database can't be read: {error}") from error
        for row in rows:
            for column, value in zip(row.keys(), row, strict=True):
                refuse_odd(column, value)
        return rows

    def one(self, what, query, *values):
        rows = self.all(query, *values)
        if len(rows) != 1:
            raise Refused(f"the server holds no {what}")
        return rows[0]

    def epochs(self):
        """Every epoch of every account, with its recovery slot and newest keyring, or empty bytes
        where they are missing. An account's older epochs are its locked ones."""
        return self.all(
            "SELECT e.account_id, e.id, e.phrase_verifier, e.root_verifier, e.keyring_version,"
            " coalesce(s.generation, 0) AS generation, coalesce(s.sealed, x'') AS recovery_slot,"
            " coalesce(k.sealed, x'') AS keyring FROM epochs e"
            " LEFT JOIN slots s ON (s.account_id, s.epoch_id, s.kind)"
            " = (e.account_id, e.id, 'recovery')"
            " LEFT JOIN keyrings k ON (k.account_id, k.epoch_id, k.version)"
            " = (e.account_id, e.id, e.keyring_version)"
            " ORDER BY e.account_id, e.created_at"
        )

    def listing(self, epoch):
        """An epoch's personas as a server lists them, each with its newest label."""
        account, place = epoch["account_id"], (epoch["account_id"], epoch["id"])
        index = self.one(
            "index",
            "SELECT counter, sealed FROM indexes WHERE account_id = ? AND epoch_id = ?",
            *place,
        )
        personas = self.all(
            "SELECT p.id, p.version, coalesce(v.label, x'') AS label FROM personas p"
            " LEFT JOIN versions v ON (v.account_id, v.persona_id, v.version)"
            " = (p.account_id, p.id, p.version)"
            " WHERE p.account_id = ? AND p.epoch_id = ? ORDER BY p.id",
            *place,
        )
        return Listing(
            account=account,
            epoch=epoch["id"],
            keyring_version=epoch["keyring_version"],
            index_counter=index["counter"],
            index=index["sealed"],
            personas=[(row["id"], Stored(row["version"], row["label"])) for row in personas],
            older=lambda persona, start: self.labels(account, persona, start),
        )

    def labels(self, account, persona, start):
        rows = self.all(
            "SELECT version, label FROM versions"
            " WHERE account_id = ? AND persona_id = ? AND version >= ? ORDER BY version",
            account,
            persona,
            start,
        )
        return [Stored(row["version"], row["label"]) for row in rows]

    def devices(self, account):
        return self.all(
            "SELECT id, revision, sealed FROM devices"
            " WHERE account_id = ? AND sealed IS NOT NULL ORDER BY id",
            account,
        )

    def blob(self, account, persona, content_version):
        """A stream of the bytes that came with a version."""
        place = (account, persona, content_version)
        where = "WHERE account_id = ? AND persona_id = ? AND version = ?"
        row = self.one("bytes of that version", f"SELECT content FROM blobs {where}", *place)
        if row["content"] is not None:
            return io.BytesIO(row["content"])
        names = self.all(f"SELECT name FROM blob_parts {where} ORDER BY position", *place)
        return io.BufferedReader(Parts([self.part(row["name"]) for row in names]))

    def part(self, name):
        if not PART_NAME.fullmatch(name):
            raise Refused("a part of a blob has a name that is none")
        return self.data / "blobs" / name[0] / name


def refuse_odd(column, value):
    """SQLite keeps any value in any column, so damage may show as one of another type."""
    if column == "content" and value is None:
        return
    if type(value) is not TYPES.get(column, bytes) or (type(value) is int and value < 0):
        raise Refused(f"the database's column {column} holds what it may not")


class Parts(io.RawIOBase):
    """Files, one after the other."""

    def __init__(self, paths):
        self.paths = iter(paths)
        self.current = io.BytesIO()

    def readable(self):
        return True

    def readinto(self, buffer):
        while not (count := self.current.readinto(buffer)):
            self.current.close()
            path = next(self.paths, None)
            if path is None:
                self.current = io.BytesIO()
                return 0
            try:
                self.current = path.open("rb")
            except FileNotFoundError as error:
                raise Refused("a part of a blob is missing") from error
        return count
