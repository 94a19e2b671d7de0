"""The zip in a blob, FORMAT.md section 5.1, and the fingerprint of a tree, section 5.2.

A reader refuses what is not exactly as the section says, so most of what lies around the contents
is not parsed: it is written again from the few values that may differ, and compared."""

import os
import re
import stat
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import blake3
import zstandard

from conventions import CONTROL, Refused, lp, u32, u64

UTF8, DESCRIPTOR = 1 << 11, 1 << 3
STORED, ZSTANDARD = 0, 93
MADE_BY = 3 << 8 | 63
MAXIMUM_16, MAXIMUM_32 = 0xFFFF, 0xFFFFFFFF
CENTRAL_HEADER, END = struct.Struct("<I6H3I5H2I"), 56 + 20 + 22
TICKS_PER_SECOND = 10_000_000
UNIX_EPOCH_IN_TICKS = 11_644_473_600 * TICKS_PER_SECOND
DOS_EARLIEST, DOS_LATEST = datetime(1980, 1, 1), datetime(2107, 12, 31, 23, 59, 58)
DRIVE = re.compile(r"[A-Za-z]:([/\\]|$)")
PIECE = 65_536
# Limits of this reader, against archives that are made to exhaust it.
MOST_ENTRIES = 1_000_000
MOST_BYTES = 2**40
LARGEST_WINDOW = 2**27
# A Zstandard block of four bytes can become 128 KiB, so little is given to the decompressor at a
# time: one answer of it stays below 32 MiB.
COMPRESSED_PIECE = 1024


@dataclass(frozen=True)
class Entry:
    path: str
    directory: bool
    permissions: int
    ticks: int
    method: int
    crc: int
    size: int
    compressed: int
    position: int

    def name(self):
        return self.path.encode() + (b"/" if self.directory else b"")

    def common(self):
        """From "version needed" to the modification date, alike in both headers."""
        flags = UTF8 if self.directory else UTF8 | DESCRIPTOR
        time, date = dos_time(self.ticks)
        return struct.pack(
            "<5H", 63 if self.method == ZSTANDARD else 45, flags, self.method, time, date
        )

    def times(self):
        return struct.pack("<2H4x2H3Q", 0x000A, 32, 1, 24, *[self.ticks] * 3)

    def local_header(self):
        extra = struct.pack("<2H16x", 0x0001, 16) + self.times()
        sizes = struct.pack("<3I2H", 0, MAXIMUM_32, MAXIMUM_32, len(self.name()), len(extra))
        return b"PK\3\4" + self.common() + sizes + self.name() + extra

    def descriptor(self):
        if self.directory:
            return b""
        return b"PK\7\x08" + struct.pack("<I2Q", self.crc, self.compressed, self.size)

    def central_header(self):
        extra = struct.pack("<2H3Q", 0x0001, 24, self.size, self.compressed, self.position)
        extra += self.times()
        type_and_permissions = (stat.S_IFDIR if self.directory else stat.S_IFREG) | self.permissions
        rest = struct.pack(
            "<3I5H2I",
            self.crc,
            MAXIMUM_32,
            MAXIMUM_32,
            len(self.name()),
            len(extra),
            0,  # comment
            0,  # disk
            0,  # internal attributes
            type_and_permissions << 16 | (0x10 if self.directory else 0),
            MAXIMUM_32,
        )
        made_by = struct.pack("<H", MADE_BY)
        return b"PK\1\2" + made_by + self.common() + rest + self.name() + extra

    def content_position(self):
        return self.position + len(self.local_header())

    def end(self):
        return self.content_position() + self.compressed + len(self.descriptor())


def end_of_archive(entries, position, length):
    counts_and_place = struct.pack("<4Q", entries, entries, length, position)
    return b"".join(
        [
            b"PK\6\6" + struct.pack("<Q2H2I", 44, MADE_BY, 45, 0, 0) + counts_and_place,
            b"PK\6\7" + struct.pack("<IQI", 0, position + length, 1),
            b"PK\5\6"
            + struct.pack("<4H2IH", 0, 0, MAXIMUM_16, MAXIMUM_16, MAXIMUM_32, MAXIMUM_32, 0),
        ]
    )


def dos_time(ticks):
    """Of the ticks in UTC, to two seconds below, within what MS-DOS can hold."""
    seconds = (ticks - UNIX_EPOCH_IN_TICKS) // TICKS_PER_SECOND
    epoch = datetime(1970, 1, 1)
    earliest, latest = ((t - epoch) // timedelta(seconds=1) for t in (DOS_EARLIEST, DOS_LATEST))
    at = epoch + timedelta(seconds=min(max(seconds, earliest), latest))
    return (
        at.hour << 11 | at.minute << 5 | at.second // 2,
        at.year - 1980 << 9 | at.month << 5 | at.day,
    )


def read_entries(zip_file, zip_bytes):
    """All entries, when everything but the contents and their CRCs is as it must be."""
    zip_file.seek(max(0, zip_bytes - END))
    end = zip_file.read()
    if len(end) != END:
        raise Refused("the zip is truncated")
    count, _, length, position = struct.unpack_from("<4Q", end, 24)
    if position + length + END != zip_bytes or end != end_of_archive(count, position, length):
        raise Refused("the zip's end is not as it must be")
    if count > MOST_ENTRIES:
        raise Refused("the zip has more entries than this program takes")

    zip_file.seek(position)
    entries = [read_central_header(zip_file) for _ in range(count)]
    if zip_file.tell() != position + length:
        raise Refused("the zip's central directory has another length")
    check_order(entries)
    check_places(zip_file, entries, position)
    if sum(entry.size for entry in entries) > MOST_BYTES:
        raise Refused("the zip has more bytes than this program takes")
    return entries


def read_central_header(zip_file):
    fixed = zip_file.read(CENTRAL_HEADER.size)
    if len(fixed) != CENTRAL_HEADER.size:
        raise Refused("the zip's central directory is truncated")
    _, _, _, _, method, _, _, crc, _, _, name_length, extra_length, *_, attributes, _ = (
        CENTRAL_HEADER.unpack(fixed)
    )
    name, extra = zip_file.read(name_length), zip_file.read(extra_length)
    if len(extra) != 28 + 36:
        raise Refused("an entry of the zip has other extra fields")
    size, compressed, position = struct.unpack_from("<3Q", extra, 4)
    entry = Entry(
        path=parse_path(name),
        directory=name.endswith(b"/"),
        permissions=attributes >> 16 & 0o777,
        ticks=struct.unpack_from("<Q", extra, 40)[0],
        method=method,
        crc=crc,
        size=size,
        compressed=compressed,
        position=position,
    )
    if entry.central_header() != fixed + name + extra:
        raise Refused(f"the central header of {entry.path!r} is not as it must be")
    if method not in (STORED, ZSTANDARD) or (method == ZSTANDARD and size == 0):
        raise Refused(f"{entry.path!r} is compressed with a method that it may not have")
    if method == STORED and size != compressed:
        raise Refused(f"{entry.path!r} is stored with two sizes")
    if entry.directory and (size or crc):
        raise Refused(f"the directory {entry.path!r} has content")
    return entry


def parse_path(name):
    try:
        path = name.removesuffix(b"/").decode()
    except UnicodeDecodeError as error:
        raise Refused("a path of the zip is not UTF-8") from error
    components = path.split("/")
    if (
        len(path.encode()) > 4096
        or len(components) > 64
        or any(c in ("", ".", "..") or len(c.encode()) > 255 for c in components)
        or CONTROL.search(path)
        or DRIVE.match(path)
    ):
        raise Refused(f"{path!r} is no path that may be in the zip")
    return path


def check_order(entries):
    directories, last = {""}, b""
    for entry in entries:
        path = entry.path.encode()
        if path <= last:
            raise Refused(f"{entry.path!r} stands in the wrong place, or twice")
        if entry.path.rpartition("/")[0] not in directories:
            raise Refused(f"the directory of {entry.path!r} is no entry")
        if entry.directory:
            directories.add(entry.path)
        last = path


def check_places(zip_file, entries, central):
    """Entries lie side by side, from byte 0 to the central directory."""
    place = 0
    for entry in entries:
        if entry.position != place or entry.end() > central:
            raise Refused(f"{entry.path!r} does not lie where it must")
        for position, expected in (
            (place, entry.local_header()),
            (entry.end() - len(entry.descriptor()), entry.descriptor()),
        ):
            zip_file.seek(position)
            if zip_file.read(len(expected)) != expected:
                raise Refused(f"local header or data descriptor of {entry.path!r} differ")
        place = entry.end()
    if place != central:
        raise Refused("the zip has bytes that belong to no entry")


def contents(zip_file, entry):
    """The content of a file in pieces; whoever takes the last one knows that size and CRC hold."""
    crc = size = 0
    for piece in decompressed(zip_file, entry):
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if size > entry.size:
            break
        yield piece
    if (size, crc) != (entry.size, entry.crc):
        raise Refused(f"the content of {entry.path!r} has another size or CRC")


def decompressed(zip_file, entry):
    zip_file.seek(entry.content_position())
    if entry.method == STORED:
        yield from pieces(zip_file, entry.compressed, PIECE)
        return
    decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()
    try:
        for piece in pieces(zip_file, entry.compressed, COMPRESSED_PIECE):
            # After the end of its frame the decompressor takes nothing: that is an error, too.
            yield decompressor.decompress(piece)
    except zstandard.ZstdError as error:
        raise Refused(f"the content of {entry.path!r} does not decompress: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise Refused(f"the content of {entry.path!r} is not one Zstandard frame")


def pieces(file, length, longest):
    while length:
        piece = file.read(min(length, longest))
        length -= len(piece)
        yield piece


def unpack(zip_file, entries, directory):
    """Makes `directory`, which must not exist, and fills it; gives back the fingerprint. Times and
    modes of directories are left to `finish`, since they may forbid to go on, or to clean up."""
    os.mkdir(directory, 0o700)
    hasher = blake3.blake3()
    for entry in entries:
        at = os.path.join(directory, entry.path)
        if entry.directory:
            os.mkdir(at, 0o700)
            hasher.update(fingerprint_of_directory(entry.path, entry.permissions))
            continue
        digest = blake3.blake3()
        with open(at, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            for piece in contents(zip_file, entry):
                file.write(piece)
                digest.update(piece)
        set_time_and_mode(at, entry)
        hasher.update(
            fingerprint_of_file(entry.path, entry.permissions, entry.ticks, digest.digest())
        )
    return hasher.digest()


def finish(entries, directory):
    """Sets times and modes of directories, from the inside."""
    for entry in reversed(entries):
        if entry.directory:
            set_time_and_mode(os.path.join(directory, entry.path), entry)


def set_time_and_mode(at, entry):
    nanoseconds = (entry.ticks - UNIX_EPOCH_IN_TICKS) * 100
    os.utime(at, ns=(nanoseconds, nanoseconds))
    os.chmod(at, entry.permissions)


def fingerprint_of_file(path, permissions, ticks, digest):
    return lp(path.encode()) + b"f" + u32(permissions) + u64(ticks) + digest


def fingerprint_of_directory(path, permissions):
    return lp(path.encode()) + b"d" + u32(permissions)
