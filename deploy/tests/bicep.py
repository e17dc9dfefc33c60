"""Bicep templates, taken apart."""

import pathlib
import re

import pycep

ROOT = pathlib.Path(__file__).resolve().parents[1] / "azure"


class Template:
    """One file."""

    def __init__(self, text):
        self.text = text
        self.tree = pycep.BicepParser().parse(text=text)
        self.parameters = self.tree.get("parameters", {})
        self.variables = self.tree.get("variables", {})
        self.resources = self.tree.get("resources", {})
        self.modules = self.tree.get("modules", {})
        self.outputs = self.tree.get("outputs", {})

    def body(self, declaration):
        """What stands between the braces, without a condition or a loop around it."""
        config = declaration["config"]
        while isinstance(config, dict) and set(config) <= {"condition", "loop_type", "config"}:
            config = config["config"]
        return config

    def is_name(self, value):
        """The parser does not tell a name from a text; what is declared is a name."""
        declared = (self.parameters, self.variables, self.resources, self.modules)
        return isinstance(value, str) and any(value in names for names in declared)

    def allowed(self, name):
        """The values of a parameter that says which."""
        decorators = self.parameters.get(name, {}).get("decorators", [])
        return [v for d in decorators if d["type"] == "allowed" for v in d["argument"]]

    def code(self):
        """The text without comments and descriptions."""
        text = re.sub(r"^@description\(.*\)$", "", self.text, flags=re.M)
        return re.sub(r"^\s*//.*$|\s// .*$", "", text, flags=re.M)


class Templates(dict):
    """All files, by their path below deploy/azure."""

    @classmethod
    def of_project(cls):
        files = sorted(ROOT.rglob("*.bicep"))
        return cls({str(f.relative_to(ROOT)): Template(f.read_text()) for f in files})

    def module(self, file, module):
        """The file that a module of `file` is in."""
        path = (ROOT / file).parent / module["detail"]["path"]
        return str(path.resolve().relative_to(ROOT))


def alternatives(template, value):
    """What a value may be: variables are followed, and both ways of a condition."""
    if isinstance(value, str) and value in template.variables:
        return alternatives(template, template.variables[value]["value"])
    if isinstance(value, dict) and set(value) == {"operator"}:
        operator = value["operator"]
        if operator["type"] == "conditional":
            ways = operator["operands"]
            return alternatives(template, ways["true_value"]) + alternatives(
                template, ways["false_value"]
            )
        return []
    if isinstance(value, dict) and set(value) == {"function"}:
        return []
    return [value]


def walk(template, value, path=""):
    """Each place of a resource and what is there: objects, lists, values that are written out, and
    of a parameter what it allows (nothing, where it allows everything)."""
    for way in alternatives(template, value):
        if way is None:
            continue
        if template.is_name(way):
            yield from ((path, allowed) for allowed in template.allowed(way) or [None])
            continue
        yield path, way
        if isinstance(way, dict):
            for key, below in way.items():
                step = "{}" if key.startswith("$") else key
                yield from walk(template, below, f"{path}.{step}" if path else step)
        if isinstance(way, list):
            for below in way:
                yield from walk(template, below, path + "[]")
