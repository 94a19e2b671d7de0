# Writes a persona's directory as the old service kept it: OUT DIRECTORY flat|topped.
import os
import sys
import zipfile

out, root, how = sys.argv[1:]
start = os.path.dirname(root) if how == "topped" else root
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    for directory, _, names in sorted(os.walk(root)):
        if directory != start:
            archive.write(directory, os.path.relpath(directory, start) + "/")
        for name in sorted(names):
            path = os.path.join(directory, name)
            archive.write(path, os.path.relpath(path, start))
