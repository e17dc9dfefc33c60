"""The bill of materials of an image, in CycloneDX 1.5, held against that standard's own schema.

Reads the image's files as tar; for the crates in the program, Cargo.lock and `cargo metadata`. Nothing
of it is of this hour or machine: the same image has the same bill.
"""

import email
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.parse
import uuid

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

PROGRAM = "kafka-output"
TARGET = "x86_64-unknown-linux-gnu"
# As scanners expect it in images that have no package manager.
PACKAGES = "var/lib/dpkg/status.d/"
COPYRIGHT = re.compile(r"usr/share/doc/([^/]+)/copyright")
# https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
FOR_MACHINES = re.compile(r"Format:\s*\S+/copyright-format/1\.0")


def purl(kind, name, version, **qualifiers):
    version = urllib.parse.quote(version, safe="~")
    more = "&".join(f"{key}={value}" for key, value in qualifiers.items())
    return f"pkg:{kind}/{name}@{version}" + (f"?{more}" if more else "")


def component(kind, name, version, ref, **more):
    return {"type": kind, "bom-ref": ref, "name": name, "version": version, "purl": ref, **more}


def sha256(digest):
    return [{"alg": "SHA-256", "content": digest}]


def licences(text):
    """The short names of a package's licences, as far as its file is written for machines."""
    if not FOR_MACHINES.match(text):
        return []
    return sorted(set(re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)))


def image(stream):
    """The program's digest and time, the packages' control files and licences, and which Debian it is."""
    packages, distribution, copyrights = [], {}, {}
    with tarfile.open(fileobj=stream, mode="r|") as files:
        for file in files:
            name = file.name.removeprefix("./")
            if file.issym() and name.startswith("usr/share/doc/"):
                # Packages of one source share it.
                copyrights[name.rsplit("/", 1)[1]] = file.linkname
            if not file.isfile():
                continue
            if name == f"usr/bin/{PROGRAM}":
                program = hashlib.sha256(files.extractfile(file).read()).hexdigest(), file.mtime
            elif name == "usr/lib/os-release":
                lines = files.extractfile(file).read().decode().splitlines()
                distribution = dict(line.split("=", 1) for line in lines if "=" in line)
            elif name.startswith(PACKAGES) and not name.endswith(".md5sums"):
                packages.append(email.message_from_bytes(files.extractfile(file).read()))
            elif of := COPYRIGHT.fullmatch(name):
                copyrights[of[1]] = licences(files.extractfile(file).read().decode())
    for package in packages:
        found = copyrights.get(package["Package"])
        if isinstance(found, str):
            found = copyrights.get(found)
        package.licences = found if isinstance(found, list) else []
    return program, packages, distribution


def cargo(*words):
    command = ["cargo", *words, "--locked"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def compiled_in():
    """The program's package, the crates in it, and which needs which.

    `cargo metadata` knows licences, and adds what only tests or other systems need; `cargo tree` knows
    what is in. Macros and build scripts are not, but for those crates that are C sources and nothing
    else (`openssl-src`).
    """
    tree = cargo("tree", "--package", PROGRAM, "--target", TARGET, "--prefix", "none",
                 "--edges", "normal,no-proc-macro", "--format", "{p}")
    inside = {tuple(line.split()[:2]) for line in tree.splitlines()}
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", TARGET))
    packages = {package["id"]: package for package in metadata["packages"]}

    def linked(need):
        package = packages[need["pkg"]]
        kinds = [kind["kind"] for kind in need["dep_kinds"]]
        if None in kinds:
            return (package["name"], f"v{package['version']}") in inside
        return "build" in kinds and package["name"].endswith("-src")

    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(p["id"] for p in packages.values() if p["name"] == PROGRAM)
    needs, waiting = {}, [root]
    while waiting:
        at = waiting.pop()
        if at not in needs:
            of_it = nodes[at]["deps"] if not packages[at]["name"].endswith("-src") else []
            needs[at] = [need["pkg"] for need in of_it if linked(need)]
            waiting += needs[at]
    return packages, root, needs


def of_deb(package):
    """What a package says of its licences, or where it does."""
    return package.licences or [f"see usr/share/doc/{package['Package']}/copyright"]


def bill(stream):
    (digest, built), debs, distribution = image(stream)
    packages, root, needs = compiled_in()
    with open("Cargo.lock", "rb") as file:
        locked = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(file)["package"]}

    refs = {id: purl("cargo", p["name"], p["version"]) for id, p in packages.items()}
    components = []
    for id in needs:
        package = packages[id]
        key = package["name"], package["version"]
        checksum = digest if id == root else locked[key]
        # Before there were expressions, a slash was the word for a choice.
        licence = re.sub(r"\s*/\s*", " OR ", package["license"] or "NOASSERTION")
        components.append(component(
            "application" if id == root else "library", *key, refs[id],
            licenses=[{"expression": licence}], **({"hashes": sha256(checksum)} if checksum else {})))
    vendor = distribution.get("ID", "debian")
    of_base = [component("library", deb["Package"], deb["Version"], purl(
        f"deb/{vendor}", deb["Package"], deb["Version"], arch=deb["Architecture"],
        distro=f"{vendor}-{distribution.get('VERSION_ID', '').strip(chr(34))}"),
        licenses=[{"license": {"name": name}} for name in of_deb(deb)]) for deb in debs]
    if not of_base:
        sys.exit(f"the image does not say its packages in {PACKAGES}")

    version = packages[root]["version"]
    whole = {"type": "container", "bom-ref": "image", "name": PROGRAM, "version": version}
    dependencies = [{"ref": refs[id], "dependsOn": sorted({refs[n] for n in needs[id]})} for id in needs]
    dependencies.append({"ref": "image", "dependsOn": sorted(
        [refs[root], *(deb["bom-ref"] for deb in of_base)])})
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(built)),
            "component": whole,
        },
        "components": sorted(components + of_base, key=lambda part: part["purl"]),
        "dependencies": sorted(dependencies, key=lambda node: node["ref"]),
    }
    made["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(made, sort_keys=True)).urn
    return made


def main():
    text = json.dumps(bill(sys.stdin.buffer), indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if fault:
        sys.exit(f"not as the standard has it: {fault.data.message}")
    print(text)


if __name__ == "__main__":
    main()
