"""The guides: their commands name files, options, values and links that are there."""

import json
import re
import shlex
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

from service import PROGRAM, ROOT, check_offline, run

GUIDES = [ROOT / "deploy/README.md", ROOT / "deploy/azure/README.md"]
CHART = ROOT / "deploy/helm/kafka-output"
# Files that the reader makes, and what stands for names of the reader's.
YOURS = {"values.yaml", "server.pfx", "callers-ca.pem", "kafka-ca.pem", "kafka-client.pfx",
         "ca.pem", "engine.pem", "engine.key", "JOBPATH"}


def blocks(text, language):
    """Code of one language, without its indentation."""
    for indent, code in re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.M | re.S):
        yield re.sub(rf"^{indent}", "", code, flags=re.M)


def commands(text):
    """The commands of a guide, as words."""
    for code in blocks(text, "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            if line.strip():
                yield shlex.split(line, comments=True)


def paths(text):
    """Commands that name a file or a folder which is not there."""
    for words in commands(text):
        for word in words:
            last = word.split("=")[-1]
            looks = re.fullmatch(r"(?:\.?[\w-]+/)*[\w.-]+\.(yaml|csv|pem|pfx|key|bicepparam)", last)
            folder = re.match(r"(deploy|adapter|examples|docs|scripts)/", last)
            if (looks or folder) and last not in YOURS and not (ROOT / last).exists():
                yield f"{' '.join(words[:3])}: there is no {last}"


def helm_values(text, schema):
    """Values, in files and on command lines, that the chart does not take."""
    for code in blocks(text, "yaml"):
        for fault in jsonschema.Draft202012Validator(schema).iter_errors(yaml.safe_load(code)):
            yield f"values: {'.'.join(map(str, fault.path))}: {fault.message[:200]}"
    for words in commands(text):
        for word in words:
            if words[0] == "helm" and re.fullmatch(r"[\w.]+=\S+", word):
                if not has_value(schema, word.split("=")[0]):
                    yield f"{' '.join(words[:2])}: the chart has no value {word}"
    for name in re.findall(r"`(autoscaling\.\w+)", text):
        if not has_value(schema, name):
            yield f"the chart has no value {name}"


def has_value(schema, name):
    for step in name.split("."):
        schema = schema.get("properties", {}).get(step)
        if schema is None:
            return False
    return True


def links(file, text):
    """Links to files or headings that are not there."""
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = target.partition("#")
        if path.startswith("http"):
            continue
        goal = (file.parent / path).resolve() if path else file
        if not goal.exists():
            yield f"{file.name}: no {path}"
        elif heading:
            titles = re.findall(r"^#+ (.*)$", goal.read_text(), re.M)
            slugs = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            if heading not in slugs:
                yield f"{file.name}: {path} has no heading #{heading}"


def named(text):
    """Metrics, alerts, parameters and keys of the job file that a guide names and nobody has."""
    metrics = (ROOT / "docs/operation/metrics.md").read_text()
    for name in re.findall(r"`(kafka_output_\w+)`", text):
        if f"`{name}`" not in metrics:
            yield f"there is no metric {name}"
    alerts = (ROOT / "deploy/prometheus/rules.yaml").read_text()
    for name in re.findall(r"`(KafkaOutput\w+)`", text):
        if f"alert: {name}\n" not in alerts:
            yield f"there is no alert {name}"
    bicep = "".join(f.read_text() for f in (ROOT / "deploy/azure").glob("*/main.bicep"))
    full = (ROOT / "examples/job-full.yaml").read_text()
    for name in re.findall(r"`([a-z]+(?:[A-Z][a-z]+)+)`", text):
        if not re.search(rf"(param|output) {name}\b", bicep) and f"{name}:" not in full:
            if not re.search(rf"\b{name}\b", full):
                yield f"nothing is called {name}"


def figures(text, readme):
    """Numbers of the table of sizes that the README's Figures do not have."""
    for row in re.findall(r"^\| (?:JSON|CSV|Avro).*$", text, re.M):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        for number in cells[1], cells[2].removesuffix(" M"), cells[3].removesuffix(" MiB"):
            if not re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", readme):
                yield f"{cells[0]}: the README has no {number}"


def program(test, text):
    """Commands of the program with words that it does not have."""
    for words in commands(text):
        # By itself, or in a pod, behind `--`.
        inside = words[words.index("--") + 1:] if "--" in words else words
        if inside[0].endswith("kafka-output"):
            code, said = run(test, inside[1], "--help")
            if code:
                yield f"there is no command {inside[1]}"
            yield from (f"{inside[1]} has no {o}" for o in inside if o.startswith("--")
                        and o not in said)
        for word in words:
            if " " in word and "kafka-output " in word:
                yield from program(test, f"```sh\n{word}\n```\n")


class Guide(unittest.TestCase):
    """The guides as they are, and as they are not."""

    def texts(self):
        return [(file, file.read_text()) for file in GUIDES]

    def schema(self):
        return json.loads((CHART / "values.schema.json").read_text())

    def test_sizes_are_those_that_the_script_computes(self):
        said = subprocess.run([ROOT / "deploy/sizing"], capture_output=True, text=True, check=True)
        guide = (ROOT / "deploy/README.md").read_text()
        begin, end = "<!-- deploy/sizing writes this -->", "<!-- up to here -->"
        self.assertIn(f"{begin}\n\n{said.stdout}\n{end}", guide, "deploy/sizing --write")

    def test_files_links_and_names_are_there(self):
        readme = (ROOT / "README.md").read_text()
        for file, text in self.texts():
            found = [*paths(text), *links(file, text), *named(text), *figures(text, readme)]
            self.assertEqual(found, [])
        self.assertGreater(len(list(commands(self.texts()[0][1]))), 20)

    def test_the_chart_takes_the_values(self):
        for _, text in self.texts():
            self.assertEqual(list(helm_values(text, self.schema())), [])

    def test_the_program_has_the_commands(self):
        if not PROGRAM:
            self.skipTest("KAFKA_OUTPUT_BIN is not set")
        for _, text in self.texts():
            self.assertEqual(list(program(self, text)), [])

    def test_the_service_takes_the_jobs_of_the_values(self):
        for _, text in self.texts():
            for code in blocks(text, "yaml"):
                job = yaml.safe_load(code)["job"]
                # What the chart adds.
                job["listen"]["grpc"]["address"] = "0.0.0.0:7070"
                job["listen"]["admin"] = {"address": "0.0.0.0:7071"}
                with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                    yaml.safe_dump(job, file)
                    file.flush()
                    check_offline(self, file.name)

    def test_each_check_finds_what_it_is_for(self):
        file, text = self.texts()[0]
        readme = (ROOT / "README.md").read_text()
        for check, old, new, told in [
            (paths, "deploy/compose/compose.yaml", "deploy/compose.yaml", "there is no"),
            (paths, "adapter/data/flights.csv", "adapter/flights.csv", "there is no"),
            (lambda t: links(file, t), "(#laptop)", "(#desktop)", "no heading"),
            (lambda t: links(file, t), "azure/README.md", "azure/READ.md", "no azure/READ.md"),
            (lambda t: helm_values(t, self.schema()), "grpcFrom", "rpcFrom", "rpcFrom"),
            (lambda t: helm_values(t, self.schema()), "--set image.tag", "--set image.tga", "tga"),
            (named, "kafka_output_broker_seconds", "kafka_output_broker_sec", "no metric"),
            (named, "KafkaOutputCredentialExpires", "KafkaOutputExpires", "no alert"),
            (named, "`callerPrefixes`", "`callerPrefices`", "callerPrefices"),
            (lambda t: figures(t, readme), "0.567", "0.467", "has no 0.467"),
        ]:
            with self.subTest(told):
                self.assertIn(old, text)
                self.assertIn(told, "\n".join(check(text.replace(old, new))))

    def test_the_check_of_commands_finds_what_it_is_for(self):
        text = self.texts()[0][1]
        for old, new, told in [
            ("kafka-output pause delays", "kafka-output paws delays", "no command paws"),
            ("--into delays", "--onto delays", "send has no --onto"),
            ("kafka-output check JOBPATH", "kafka-output check --deep JOBPATH", "no --deep"),
        ]:
            self.assertIn(old, text)
            self.assertIn(told, "\n".join(program(self, text.replace(old, new))))


if __name__ == "__main__":
    unittest.main()
