# Runs one statement in the only SQLite database below a directory: rows are lines, columns tabs.
import os
import sqlite3
import sys

files = [os.path.join(d, n) for d, _, names in os.walk(sys.argv[1]) for n in names]
databases = [f for f in files if open(f, "rb").read(15) == b"SQLite format 3"]
assert len(databases) == 1, databases
connection = sqlite3.connect(databases[0], timeout=60)
for row in connection.execute(sys.argv[2]):
    print("\t".join(map(str, row)))
connection.commit()
