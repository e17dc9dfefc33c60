"""Every manifest is one that Kubernetes takes, as far as that can be told without a cluster."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml
from chart import (
    NAMESPACE,
    PROGRAM,
    SETS,
    Case,
    helm,
    matches,
    one,
    pod_templates,
    rendered,
    text,
    values_of,
)

# The oldest version that Chart.yaml allows, and the newest known.
VERSIONS = ["1.30", "1.37"]
# What operators bring, and whose it is; `scripts/tool crds` has the definitions.
CUSTOM = {
    "PodMonitor": "prometheus-operator",
    "ServiceMonitor": "prometheus-operator",
    "PrometheusRule": "prometheus-operator",
    "ScaledObject": "keda",
    "ExternalSecret": "external-secrets",
}

ALLOWED = [
    ("CKV_K8S_8", ["Pod"], "the test's pod runs a command and ends; there is nothing to probe"),
    ("CKV_K8S_9", ["Pod"], "the same"),
    ("CKV_K8S_11", ["Deployment", "Pod"], "a limit of processor time halts all threads at once"),
    ("CKV_K8S_15", ["Deployment", "Pod"], "a pod must start while the registry is away"),
    (
        "CKV_K8S_35",
        ["Deployment", "Pod"],
        "`secrets.env` is one way of several; the README says so",
    ),
    ("CKV_K8S_43", ["Deployment", "Pod"], "`image.digest` pins; the digest is the user's to know"),
]


def closed(schema):
    """A schema of a custom resource that refuses keys it does not know, as `strict` does."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str) and "^(?i)" in schema["pattern"]:
        # Go takes flags anywhere, Python in front alone.
        result["pattern"] = "(?i)" + schema["pattern"].replace("(?i)", "")
    open_ = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not open_:
        result["additionalProperties"] = False
    return result


def custom_schemas():
    schemas = {}
    for path in Path(os.environ["CRDS"]).rglob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            api = f"{spec['group']}/{version['name']}"
            schemas[api, spec["names"]["kind"]] = schema
    return schemas


class Manifests(Case):
    def test_every_set_of_values_passes_helms_lint(self):
        for name in SETS:
            with self.subTest(values=name):
                helm("lint", "--strict", values=values_of(name))

    def test_every_object_has_the_fields_and_types_of_kubernetes(self):
        for objects in self.each_set():
            for each in objects:
                if each["kind"] in CUSTOM:
                    continue
                for version in VERSIONS:
                    kubernetes_validate.validate(each, version, strict=True)

    def test_every_custom_object_has_the_fields_and_types_of_its_definition(self):
        schemas, seen = custom_schemas(), set()
        for objects in self.each_set():
            for each in objects:
                if each["kind"] in CUSTOM:
                    jsonschema.validate(each, schemas[each["apiVersion"], each["kind"]])
                    seen.add(each["kind"])
        # Monitors are one or the other.
        pods = text({**values_of("everything"), "monitor": {"enabled": True}})
        for each in yaml.safe_load_all(pods):
            if each and each["kind"] == "PodMonitor":
                jsonschema.validate(each, schemas[each["apiVersion"], each["kind"]])
                seen.add("PodMonitor")
        self.assertEqual(seen, set(CUSTOM))

    def test_selectors_find_the_services_pods_and_not_the_tests(self):
        for objects in self.each_set():
            pods = {
                spec["containers"][0]["name"]: labels for labels, spec in pod_templates(objects)
            }
            deployment = one(objects, "Deployment")
            selectors = [deployment["spec"]["selector"]["matchLabels"]]
            pod = deployment["spec"]["template"]["spec"]
            for spread in pod.get("topologySpreadConstraints", []):
                selectors.append(spread["labelSelector"]["matchLabels"])
            for each in objects:
                if each["kind"] == "Service":
                    selectors.append(each["spec"]["selector"])
                elif each["kind"] in ("PodDisruptionBudget", "PodMonitor"):
                    selectors.append(each["spec"]["selector"]["matchLabels"])
            for selector in selectors:
                self.assertTrue(matches(selector, pods["kafka-output"]), selector)
                self.assertFalse("check" in pods and matches(selector, pods["check"]), selector)

    def test_a_service_monitor_finds_one_service(self):
        objects = rendered("everything")
        monitor = one(objects, "ServiceMonitor")
        selector = monitor["spec"]["selector"]["matchLabels"]
        found = [
            each
            for each in objects
            if each["kind"] == "Service" and matches(selector, each["metadata"]["labels"])
        ]
        self.assertEqual([each["metadata"]["name"] for each in found], ["flights-output-metrics"])
        ports = [port["name"] for port in found[0]["spec"]["ports"]]
        self.assertEqual(ports, [monitor["spec"]["endpoints"][0]["port"]])

    def test_ports_have_targets_and_names_are_there_once(self):
        for objects in self.each_set():
            container = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            self.assertEqual(ports, {"grpc": 7070, "admin": 7071})
            for service in (each for each in objects if each["kind"] == "Service"):
                for port in service["spec"]["ports"]:
                    self.assertIn(port["targetPort"], ports)
                    self.assertIn(port["port"], range(1, 65536))
            names = [(each["kind"], each["metadata"]["name"]) for each in objects]
            self.assertEqual(len(names), len(set(names)))
            for each in objects:
                self.assertEqual(each["metadata"]["namespace"], NAMESPACE, each["kind"])
                self.assertRegex(each["metadata"]["name"], r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")

    def test_what_pods_mount_is_there(self):
        for objects in self.each_set():
            made = {(each["kind"], each["metadata"]["name"]) for each in objects}
            for _, spec in pod_templates(objects):
                volumes = {volume["name"]: volume for volume in spec["volumes"]}
                self.assertEqual(len(volumes), len(spec["volumes"]))
                mounts = spec["containers"][0]["volumeMounts"]
                self.assertEqual({mount["name"] for mount in mounts}, set(volumes))
                self.assertEqual(len({mount["mountPath"] for mount in mounts}), len(mounts))
                self.assertFalse([mount for mount in mounts if "subPath" in mount])
                config = volumes["job"]["configMap"]["name"]
                if config != "flights-job":
                    self.assertIn(("ConfigMap", config), made)

    def test_long_names_still_fit(self):
        overrides = {"fullnameOverride": "", "nameOverride": "n" * 40}
        release = "r" * 53
        values = {**values_of("everything"), **overrides}
        manifests = helm("template", release, values=values)
        names = [each["metadata"]["name"] for each in yaml.safe_load_all(manifests)]
        self.assertIn(40, [len(name) for name in names])
        self.assertLessEqual(max(len(name) for name in names), 63)

    @unittest.skipUnless(PROGRAM, "KAFKA_OUTPUT_BIN names no program")
    def test_the_program_takes_every_job_file(self):
        for name in SETS:
            objects = rendered(name)
            jobs = [each for each in objects if each["metadata"]["name"].endswith("-job")]
            for job in jobs:
                with self.subTest(values=name), tempfile.TemporaryDirectory() as folder:
                    for file, content in job["data"].items():
                        (Path(folder) / file).write_text(content)
                    command = [PROGRAM, "check", "--offline", f"{folder}/job.yaml"]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_policies_hold(self):
        """checkov, offline. What it may say against which pod, and why: ALLOWED."""
        checkov = Path(sys.executable).with_name("checkov")
        with tempfile.TemporaryDirectory() as folder:
            for name in SETS:
                (Path(folder) / f"{name}.yaml").write_text(text(values_of(name)))
            command = [
                sys.executable,
                str(checkov),
                "--directory",
                folder,
                "--framework",
                "kubernetes",
                "--skip-download",
                "--output",
                "json",
                "--quiet",
                "--compact",
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        failed = {
            (each["check_id"], each["resource"].split(".")[0], each["check_name"])
            for each in report["results"]["failed_checks"]
        }
        allowed = {(check, kind) for check, kinds, _ in ALLOWED for kind in kinds}
        unexpected = [each for each in failed if each[:2] not in allowed]
        self.assertEqual(unexpected, [])
        self.assertEqual(allowed - {each[:2] for each in failed}, set(), "allowed without need")
        self.assertGreater(report["summary"]["passed"], 500)
