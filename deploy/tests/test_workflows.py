"""The public workflows, and what deny.toml lets in."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import yaml

from service import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yaml"))
ZIZMOR = pathlib.Path(sys.executable).parent / "zizmor"


def lint(folder):
    """What actionlint and zizmor, with its strictest words, find in a repository's workflows."""
    files = sorted(str(f) for f in (folder / ".github/workflows").glob("*.yaml"))
    # Without shellcheck and pyflakes, which are on some machines and not on others.
    first = [os.environ["ACTIONLINT"], "-no-color", "-shellcheck=", "-pyflakes=", *files]
    second = [str(ZIZMOR), "--offline", "--quiet", "--persona", "pedantic", str(folder / ".github")]
    said = ""
    for command in (first, second):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr if done.returncode else ""
    return said


def faults(files):
    """What neither of them looks at."""
    pins = {}
    for name, text in files.items():
        workflow = yaml.safe_load(text)
        if workflow["permissions"] != {}:
            yield f"{name}: rights belong to jobs, and not to the whole workflow"
        for job, body in workflow["jobs"].items():
            if "permissions" not in body:
                yield f"{name}: {job} does not say its rights"
            if "uses" not in body and "timeout-minutes" not in body:
                yield f"{name}: {job} has no limit of time"
        for action, pin in re.findall(r"uses: ([\w-]+/[\w./-]+)@(.*)$", text, re.M):
            if not re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin):
                yield f"{name}: {action} is not pinned by commit, with its version beside it"
            if pins.setdefault(action, pin) != pin:
                yield f"{name}: {action} is pinned twice, and differently"
        for path in re.findall(r"(?<![\w./-])((?:scripts|deploy|adapter)/[\w./*-]+)", text):
            path = path.rstrip(".")
            if not list(ROOT.glob(path)):
                yield f"{name}: there is no {path}"
        for tool, version in re.findall(r"(cargo-\w+|cmd/\w+)@(\S+)", text):
            if pins.setdefault(tool, version) != version:
                yield f"{name}: {tool} has two versions"


class Workflows(unittest.TestCase):
    """The files as they are, and as they are not."""

    def test_nothing_is_wrong(self):
        self.assertGreaterEqual(len(FILES), 3)
        self.assertEqual(list(faults({f.name: f.read_text() for f in FILES})), [])
        self.assertEqual(lint(ROOT), "")

    def test_each_check_finds_what_it_is_for(self):
        for name, old, new, told in [
            ("ci.yaml", "permissions: {}", "permissions: { contents: write }", "rights belong"),
            ("ci.yaml", "    timeout-minutes: 120\n", "", "no limit of time"),
            ("ci.yaml", "# v7.0.1", "", "not pinned by commit"),
            ("ci.yaml", "scripts/deploy-templates", "scripts/deploy-temples", "there is no"),
            ("release.yaml", "actions/checkout@3", "actions/checkout@4", "pinned twice"),
            ("ci.yaml", "cargo-deny@0.20.2", "cargo-deny@0.20.1", "has two versions"),
        ]:
            with self.subTest(told):
                files = {f.name: f.read_text() for f in FILES}
                self.assertIn(old, files[name])
                files[name] = files[name].replace(old, new)
                self.assertIn(told, "\n".join(faults(files)))

    def test_the_linters_find_what_they_are_for(self):
        for name, old, new, told in [
            ("release.yaml", "needs: tested", "needs: testing", "testing"),
            ("release.yaml", "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "run-on"),
            ("release.yaml", "steps.image.outputs", "steps.imago.outputs", "imago"),
            ("ci.yaml", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
            ("ci.yaml", "run: scripts/test\n", "run: echo ${{ github.head_ref }}\n",
             "template-injection"),
        ]:
            with self.subTest(told), tempfile.TemporaryDirectory() as scratch:
                folder = pathlib.Path(scratch)
                shutil.copytree(ROOT / ".github", folder / ".github")
                subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
                file = folder / ".github/workflows" / name
                text = file.read_text()
                self.assertIn(old, text)
                file.write_text(text.replace(old, new))
                self.assertIn(told, lint(folder))


def satisfied(expression, allowed):
    """Whether a licence expression holds with what is allowed; says which of that it needs."""
    text = expression.replace("/", " OR ")
    words = re.findall(r"\(|\)|[\w.+-]+(?: WITH [\w.-]+)?", text)
    needed = set()

    def either():
        found = both()
        while words and words[0] == "OR":
            words.pop(0)
            found = both() or found
        return found

    def both():
        found = one()
        while words and words[0] == "AND":
            words.pop(0)
            found = one() and found
        return found

    def one():
        word = words.pop(0)
        if word == "(":
            found = either()
            words.pop(0)
            return found
        if word in allowed:
            needed.add(word)
        return word in allowed

    return either(), needed


class Deny(unittest.TestCase):
    """cargo-deny takes minutes to build, and runs in the public workflow; this needs cargo alone."""

    def setUp(self):
        self.deny = tomllib.loads((ROOT / "deny.toml").read_text())
        if not shutil.which("cargo"):
            self.skipTest("there is no cargo")
        done = subprocess.run(
            ["cargo", "metadata", "--locked", "--format-version", "1",
             "--filter-platform", self.deny["graph"]["targets"][0]], cwd=ROOT, capture_output=True, text=True, check=True)
        graph = json.loads(done.stdout)
        inside = {node["id"] for node in graph["resolve"]["nodes"]}
        self.packages = [p for p in graph["packages"] if p["id"] in inside]

    def test_licences(self):
        allowed = set(self.deny["licenses"]["allow"])
        needed = set()
        for package in self.packages:
            holds, words = satisfied(package["license"], allowed)
            self.assertTrue(holds, f"{package['name']}: {package['license']}")
            needed |= words
        self.assertEqual(allowed - needed, set(), "allowed, and nobody needs it")
        self.assertFalse(satisfied("GPL-3.0 AND MIT", allowed)[0])
        self.assertFalse(satisfied("MIT AND (GPL-3.0 OR LGPL-3.0)", allowed)[0])
        self.assertTrue(satisfied("GPL-3.0 OR (MIT AND ISC)", allowed)[0])

    def test_what_is_banned_is_not_there_and_sources_are_known(self):
        names = {package["name"] for package in self.packages}
        for ban in self.deny["bans"]["deny"]:
            self.assertFalse(ban["name"] in names, f"{ban['name']}: {ban['reason']}")
        self.assertIn("rustls", names, "the names of what is compiled in")
        known = {f"registry+{url}" for url in self.deny["sources"]["allow-registry"]} | {None}
        self.assertEqual({package["source"] for package in self.packages} - known, set())


if __name__ == "__main__":
    unittest.main()
