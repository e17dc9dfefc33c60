"""The Dockerfile: what linters know of good ones, and bases that stay what they are."""

import pathlib
import re
import subprocess
import sys
import unittest

from service import ROOT

FILE = ROOT / "deploy/Dockerfile"
HADOLINT = pathlib.Path(sys.executable).with_name("hadolint")
PINNED = re.compile(r"^ARG (?:BUILDER|BASE)=\S+:\S+@sha256:[0-9a-f]{64}$", re.MULTILINE)


def faults(text):
    """The codes of what hadolint finds; no comment turns a rule off."""
    command = [HADOLINT, "--no-color", "--disable-ignore-pragma", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return re.findall(r"^-:\d+ (\S+) ", done.stdout, re.MULTILINE)


class Image(unittest.TestCase):
    def setUp(self):
        self.text = FILE.read_text()

    def test_the_linter_has_no_word_against_it(self):
        self.assertEqual(faults(self.text), [])

    def test_the_linter_finds_what_it_is_for(self):
        self.assertIn("DL3000", faults(self.text.replace("WORKDIR /src", "WORKDIR src")))
        self.assertIn("DL3002", faults(self.text.replace("USER 65532:65532", "USER root")))

    def test_bases_are_pinned_by_digest(self):
        self.assertEqual(len(PINNED.findall(self.text)), 2)
        bases = re.findall(r"^FROM (\S+)", self.text, re.MULTILINE)
        self.assertEqual(bases, ["${BUILDER}", "${BASE}"])

    def test_it_ends_as_a_user_without_rights(self):
        users = re.findall(r"^USER (\S+)$", self.text, re.MULTILINE)
        self.assertEqual(users, ["65532:65532"])


if __name__ == "__main__":
    unittest.main()
