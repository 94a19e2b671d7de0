"""Uploads a file with tuspy, which shares no code with ours: some pieces, then the rest by another
client that asks where to go on. Arguments: the server's URL, a session's token, the file."""

import sys

from tusclient import client

PIECE_BYTES = 300_000


def uploader(server, token, **where):
    headers = {"Authorization": f"Bearer {token}", "Keybackup-Protocol": "1"}
    tus = client.TusClient(server + "/uploads", headers=headers)
    return tus.uploader(chunk_size=PIECE_BYTES, upload_checksum=True, **where)


def main():
    server, token, path = sys.argv[1:]
    first = uploader(server, token, file_path=path, metadata={"filename": "not looked at"})
    first.upload_chunk()
    first.upload_chunk()
    assert first.offset == 2 * PIECE_BYTES, first.offset
    second = uploader(server, token, file_path=path, url=first.url)
    assert second.offset == 2 * PIECE_BYTES, second.offset
    second.upload()
    print(second.url)


main()
