"""What the tests of the chart share: rendering with Helm, and finding objects in the result."""

import functools
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
# Another copy, for proving that a test notices what is broken in it.
CHART = Path(os.environ.get("CHART", ROOT / "deploy/helm/kafka-output"))
HELM = os.environ["HELM"]
PROGRAM = os.environ.get("KAFKA_OUTPUT_BIN")
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*.yaml"))
RELEASE, NAMESPACE = "flights", "data"


class Refused(Exception):
    """Helm did not render: its message."""


def values_of(name):
    return yaml.safe_load((CHART / f"ci/{name}-values.yaml").read_text())


def merged(base, other):
    """The two maps as Helm merges values: lists and the rest are replaced."""
    both = dict(base)
    for key, value in other.items():
        inner = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if inner else value
    return both


def helm(*arguments, values, chart=None):
    """Runs Helm with these values."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        command = [HELM, *arguments, str(chart or CHART), "--values", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def text(values, chart=None):
    """All manifests as text."""
    arguments = ("template", RELEASE, "--namespace", NAMESPACE)
    return helm(*arguments, values=values, chart=chart)


def render(values, chart=None):
    """All objects."""
    return [object for object in yaml.safe_load_all(text(values, chart)) if object]


@functools.cache
def rendered(name):
    """The objects of one of the files in ci/."""
    return render(values_of(name))


def one(objects, kind, ending=""):
    """The single object of a kind whose name ends so."""
    found = [
        each
        for each in objects
        if each["kind"] == kind and each["metadata"]["name"].endswith(ending)
    ]
    assert len(found) == 1, f"{len(found)} {kind} …{ending}"
    return found[0]


def kinds(objects):
    return {each["kind"] for each in objects}


def container(objects):
    """The service's container, and the pod around it."""
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    return pod["containers"][0], pod


def pod_templates(objects):
    """Of every pod: its labels and what it is."""
    for each in objects:
        if each["kind"] == "Deployment":
            template = each["spec"]["template"]
            yield template["metadata"]["labels"], template["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["labels"], each["spec"]


def matches(selector, labels):
    return selector.items() <= labels.items()


class Case(unittest.TestCase):
    """A test that says of which values it failed."""

    maxDiff = None
    values = None

    def each_set(self):
        for name in SETS:
            self.values = name
            yield rendered(name)
        self.values = None

    def _formatMessage(self, msg, standardMsg):
        message = super()._formatMessage(msg, standardMsg)
        return f"with ci/{self.values}-values.yaml: {message}" if self.values else message

    def refused(self, change, *words, base="minimal"):
        """With this change the values are refused, and the message has these words."""
        values = merged(values_of(base), change)
        with self.assertRaises(Refused) as caught:
            render(values)
        for word in words:
            self.assertIn(word, str(caught.exception))
