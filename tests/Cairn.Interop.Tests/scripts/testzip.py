"""Checks a zip archive with Python's own reader: structure and all checksums."""
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    bad = archive.testzip()
    if bad is not None:
        sys.exit(f"{bad} is bad")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        sys.exit("an entry is compressed")
    print("good,", len(archive.namelist()), "entries")
