"""The compose file: the specification takes it, what it names is there, the service is hardened."""

import json
import os
import subprocess
import unittest

import yaml

from service import ROOT, check_offline, run

FILE = ROOT / "deploy/compose/compose.yaml"
JOB = ROOT / "deploy/compose/job/job.yaml"
HARDENED = {
    "user": "65532:65532",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def load(text=None):
    """The file as compose-go, the loader of `docker compose`, understands it."""
    environment = {k: v for k, v in os.environ.items() if k != "KAFKA_OUTPUT_IMAGE"}
    done = subprocess.run(
        [os.environ["COMPOSE_GO"], "-" if text else str(FILE)], input=text, text=True,
        capture_output=True, check=False, cwd=FILE.parent, env=environment)
    if done.returncode:
        raise ValueError(done.stdout + done.stderr)
    return yaml.safe_load(done.stdout)


def faults(compose, job):
    """What would keep the one command from working, or leave the service unprotected."""
    services = compose["services"]
    for name, service in services.items():
        if ":" not in service["image"] or service["image"].endswith(":latest"):
            yield f"{name}: the image has no version"
        for other, need in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name}: there is no {other}"
            elif need["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name}: {other} has no health check"
        for volume in service.get("volumes", []):
            if not (FILE.parent / volume["source"]).exists():
                yield f"{name}: there is no {volume['source']}"
            if not volume.get("read_only"):
                yield f"{name}: {volume['target']} can be written to"
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name}: the port {port['target']} is published beyond this machine"
        if "build" in service:
            yield from (f"{name}: `{k}` is {service.get(k)}, and must be {v}"
                        for k, v in HARDENED.items() if service.get(k) != v)
            if not (FILE.parent / service["build"]["context"] / "Cargo.toml").exists():
                yield f"{name}: {service['build']['context']} has no sources"
    yield from agreement(services, job)


def agreement(services, job):
    """Whether the parts speak of the same topic, ports and names."""
    output = job["outputs"][0]
    environment = services["kafka"]["environment"]
    if f"PLAINTEXT://{output['bootstrapServers']}" != environment["KAFKA_ADVERTISED_LISTENERS"]:
        yield "the job has other brokers than Kafka's listeners"
    if f"--topic={output['topic']}" not in services["topic"]["command"]:
        yield "another topic is made than rows go to"
    if output["topic"] not in services["reader"]["command"][-1]:
        yield "another topic is read than rows go to"
    if output["alias"] not in services["sender"]["command"]:
        yield "rows are sent into another output"
    ports = {int(l["address"].rsplit(":", 1)[1]) for l in job["listen"].values()}
    if {port["target"] for port in services["service"]["ports"]} != ports:
        yield "other ports are published than the service listens on"


class Compose(unittest.TestCase):
    """The file as it is, and as it is not."""

    def test_nothing_is_wrong(self):
        self.assertEqual(list(faults(load(), yaml.safe_load(JOB.read_text()))), [])

    def test_each_check_finds_what_it_is_for(self):
        job, text = yaml.safe_load(JOB.read_text()), json.dumps(load())
        for old, new, told in [
            ("apache/kafka:4.3.0", "apache/kafka:latest", "no version"),
            ('"read_only": true, "security_opt"', '"security_opt"', "`read_only` is None"),
            ('"65532:65532"', '"0:0"', "`user` is 0:0"),
            ("no-new-privileges:true", "apparmor=unconfined", "`security_opt` is"),
            ('"host_ip": "127.0.0.1"', '"host_ip": "0.0.0.0"', "beyond this machine"),
            ("adapter/data", "adapter/date", "there is no"),
            ("PLAINTEXT://kafka:9092", "PLAINTEXT://broker:9092", "other brokers"),
            ("--topic=flight-delays", "--topic=flights", "another topic is made"),
            ('"delays"', '"flights"', "another output"),
        ]:
            with self.subTest(told):
                self.assertIn(old, text)
                found = list(faults(json.loads(text.replace(old, new)), job))
                self.assertIn(told, "\n".join(found))

    def test_the_specification_refuses_what_it_does_not_know(self):
        for old, new in [("depends_on:", "dependson:"), ("stop_grace_period: 40s",
                                                         "stop_grace_period: [40]")]:
            broken = FILE.read_text()
            self.assertIn(old, broken)
            with self.assertRaises(ValueError):
                load(broken.replace(old, new))

    def test_the_service_takes_its_job_file(self):
        check_offline(self, JOB)

    def test_the_program_has_these_commands_and_options(self):
        for name, service in load()["services"].items():
            words = service.get("command") or []
            if "build" not in service:
                continue
            checks = service.get("healthcheck", {}).get("test", [])[2:]
            for command in [words, checks] if checks else [words]:
                code, said = run(self, command[0], "--help")
                self.assertEqual(code, 0, f"{name}: {command[0]}: {said}")
                for option in (w for w in command if w.startswith("--")):
                    self.assertIn(option, said, name)


if __name__ == "__main__":
    unittest.main()
