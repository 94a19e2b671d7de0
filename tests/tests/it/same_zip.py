# Compares a zip with a directory: ZIP DIRECTORY. Contents, names, modes.
import os
import sys
import zipfile

archive, root = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
assert archive.testzip() is None
inside = {info.filename.rstrip("/"): info for info in archive.infolist()}
names = list(inside)
tops = {name.split("/")[0] for name in names}
outside = {}
for directory, folders, files in os.walk(root):
    for name in folders + files:
        path = os.path.join(directory, name)
        outside[os.path.relpath(path, root)] = path
missing, extra = set(outside) - set(inside), set(inside) - set(outside)
assert not missing, ("missing", sorted(missing)[:5])
assert not extra, ("extra", sorted(extra)[:5])
for name, path in outside.items():
    info = inside[name]
    assert info.external_attr >> 16 & 0o777 == os.stat(path).st_mode & 0o777, (name, oct(info.external_attr >> 16))
    if os.path.isfile(path):
        assert info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), name
        assert archive.read(info) == open(path, "rb").read(), name
