"""Holds the Bicep templates against Azure's published types: names, required keys, allowed values.

The compiler does the same and more, and runs in the public workflow; it is in no registry of
packages. So what the templates need of the types is kept in deploy/azure/types.json. After a change
that uses other resources or keys, make it anew of a checkout of github.com/Azure/bicep-types-az:

    $(scripts/tool deploy-python) deploy/tests/azure_types.py CHECKOUT/generated

Each entry is a path in a resource, and the names there (`*`: required), its kind, or its values.
"""

import json
import pathlib
import subprocess
import sys

from bicep import ROOT, Templates, walk

TYPES = ROOT / "types.json"
READ_ONLY, REQUIRED = 2, 1


def faults(templates, types=None):
    """What of the templates' resources Azure does not know."""
    types = types or json.loads(TYPES.read_text())["types"]
    found = []
    for file, template in templates.items():
        for symbol, resource in template.resources.items():
            kind = f"{resource['type']}@{resource['api_version']}"
            if kind not in types:
                found.append(f"{file}: {symbol}: no types of {kind}")
                continue
            if resource["existing"]:
                continue
            for path, value in walk(template, template.body(resource)):
                found += judge(f"{file}: {symbol}", types[kind], path, value)
    return found


def judge(where, known, path, value):
    """`value` at `path`, against what is known of that path."""
    shape = known.get(path)
    if path == "" and isinstance(value, dict):
        value = {k: v for k, v in value.items() if k not in ("scope", "parent", "depends_on")}
    if shape is None:
        return []  # its parent has told that it is not there, or it is text of any kind
    place = f"{where}: {path or 'resource'}"
    if isinstance(value, dict):
        if shape in ("string", "integer", "boolean") or shape.startswith("="):
            return [f"{place} is an object, and not {shape}"]
        names = shape.split()
        if "{}" in names:
            return []
        allowed = {name.rstrip("*") for name in names}
        wanted = {name.rstrip("*") for name in names if name.endswith("*")}
        return [f"{place} has no `{k}`" for k in value if k not in allowed] + [
            f"{place} lacks `{k}`" for k in wanted - set(value)
        ]
    if isinstance(value, bool):
        return [] if shape in ("boolean", "any") else [f"{place} is {value}, and not {shape}"]
    if isinstance(value, int):
        return [] if shape in ("integer", "any") else [f"{place} is {value}, and not {shape}"]
    if isinstance(value, str) and shape.startswith("="):
        values = shape[1:].split("|")
        return [] if value in values else [f"{place} is `{value}`, and not one of {values}"]
    if isinstance(value, str) and shape in ("integer", "boolean"):
        return [f"{place} is text, and not {shape}"]
    return []


class Published:
    """One file of the published types."""

    def __init__(self, path):
        self.nodes = json.loads(path.read_text())

    def node(self, reference):
        return self.nodes[int(reference["$ref"].rsplit("/", 1)[1])]

    def describe(self, node, path, used, into):
        kind = node["$type"]
        if kind == "ObjectType":
            self.describe_object(node, path, used, into)
        elif kind == "ArrayType":
            into[path] = "array"
            self.describe(self.node(node["itemType"]), path + "[]", used, into)
        elif kind == "UnionType":
            parts = [self.node(element) for element in node["elements"]]
            values = [part["value"] for part in parts if part["$type"] == "StringLiteralType"]
            into[path] = "=" + "|".join(values) if values else "any"
        elif kind == "StringLiteralType":
            into[path] = "=" + node["value"]
        else:
            into[path] = {"StringType": "string", "IntegerType": "integer",
                          "BooleanType": "boolean"}.get(kind, "any")

    def describe_object(self, node, path, used, into):
        members = {
            name: member
            for name, member in (node.get("properties") or {}).items()
            if not member["flags"] & READ_ONLY or path == "" and name == "name"
        }
        names = [n + ("*" if m["flags"] & REQUIRED else "") for n, m in members.items()]
        if node.get("additionalProperties"):
            names.append("{}")
        into[path] = " ".join(names)
        for name, member in members.items():
            below = f"{path}.{name}" if path else name
            if below in used:
                self.describe(self.node(member["type"]), below, used, into)


def make(generated):
    """types.json, of a checkout of the published types."""
    used = {}
    for template in Templates.of_project().values():
        for resource in template.resources.values():
            kind = f"{resource['type']}@{resource['api_version']}"
            paths = used.setdefault(kind, set())
            if not resource["existing"]:
                paths.update(path for path, _ in walk(template, template.body(resource)))
    types = {}
    for kind, paths in sorted(used.items()):
        # What holds an array's or a map's items is used if they are.
        paths |= {path.split(mark)[0] for path in paths for mark in ("[]", "{}")}
        name, version = kind.split("@")
        provider = name.split("/")[0].lower()
        for file in generated.glob(f"*/{provider}/{version}/types.json"):
            published = Published(file)
            for node in published.nodes:
                if node["$type"] == "ResourceType" and node["name"].lower() == kind.lower():
                    into = types[kind] = {}
                    published.describe(published.node(node["body"]), "", paths, into)
        if kind not in types:
            sys.exit(f"{kind} is not among the published types")
    commit = subprocess.run(["git", "-C", generated, "rev-parse", "HEAD"], text=True,
                            capture_output=True, check=False).stdout.strip()
    source = f"https://github.com/Azure/bicep-types-az/tree/{commit or 'main'}/generated"
    TYPES.write_text(json.dumps({"source": source, "types": types}, indent=1) + "\n")


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
