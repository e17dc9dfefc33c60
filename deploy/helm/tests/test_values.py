"""Values: each is described, has a good example and an effect; wrong ones are refused."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jsonschema
from chart import CHART, ROOT, SETS, Case, Refused, helm, merged, text, values_of

# What must be so besides, that a value makes a difference; by the beginning of its path.
KEDA = {"autoscaling": {"kind": "KEDA", "keda": {"prometheus": "http://p:9090"}}}
HPA = {"autoscaling": {"kind": "HPA"}}
CONTEXTS = {
    "existingJob": ("existing-job", {"existingJob": {"configMap": "c", "key": "k"}}),
    "existingJob.tls": ("existing-job", {"existingJob": {"tls": False}}),
    "existingJob.exactlyOnce": ("existing-job", {"existingJob": {"exactlyOnce": False}}),
    "existingJob.identity": (
        "existing-job",
        {"existingJob": {"identity": ""}, "workloadIdentity": {"enabled": True}},
    ),
    "existingJob.tokens": (
        "existing-job",
        {
            "existingJob": {"identity": "", "tokens": False},
            "networkPolicy": {
                "enabled": True,
                "grpcFrom": [{"namespace": "a"}],
                "brokers": [{"namespace": "b"}],
            },
        },
    ),
    "dashboard.labels": ("minimal", {"dashboard": {"enabled": True}}),
    "image.repository": ("minimal", {"image": {"repository": "other"}}),
    "workloadIdentity.enabled": ("event-hubs", {"workloadIdentity": {"enabled": False}}),
    "workloadIdentity": (
        "event-hubs",
        {"workloadIdentity": {"clientId": "f" * 8 + "-1111" * 3 + "-" + "f" * 12}},
    ),
    "secrets.external": (
        "external-secrets",
        {"secrets": {"external": {"store": "s", "storeKind": "SecretStore"}}},
    ),
    "secrets.external.enabled": ("external-secrets", {"secrets": {"external": {"enabled": False}}}),
    "extraVolumeMounts": ("everything", {"extraVolumeMounts": []}),
    "internalLoadBalancer": ("minimal", {"internalLoadBalancer": {"enabled": True}}),
    "internalLoadBalancer.enabled": ("minimal", {}),
    "autoscaling": ("minimal", KEDA),
    "autoscaling.kind": ("minimal", merged(KEDA, {"autoscaling": {"kind": "HPA"}})),
    "autoscaling.cpuPercent": ("minimal", HPA),
    "monitor": ("everything", {"monitor": {"intervalSeconds": 15, "kind": "PodMonitor"}}),
    "monitor.enabled": ("everything", {"monitor": {"enabled": False}}),
    "monitor.labels": (
        "minimal",
        {"monitor": {"enabled": True}, "networkPolicy": {"metricsFrom": [{"namespace": "m"}]}},
    ),
    "networkPolicy.entra.cidrs": ("event-hubs", {}),
    "rules": ("everything", {"rules": {"runbooks": ""}}),
    "rules.labels": ("minimal", {"rules": {"enabled": True}}),
    "rules.enabled": ("everything", {"rules": {"enabled": False}}),
    "image.tag": ("everything", {"image": {"tag": "other"}}),
    "podDisruptionBudget.maxUnavailable": ("minimal", {"replicas": 3}),
}

def schema():
    return json.loads((CHART / "values.schema.json").read_text())


def leaves(properties, path=""):
    """Every value that is no map of others: its path and its schema."""
    for name, inner in properties.items():
        here = f"{path}{name}"
        if inner.get("properties"):
            yield from leaves(inner["properties"], here + ".")
        elif here != "global":
            yield here, inner


def described(properties, path=""):
    for name, inner in properties.items():
        yield f"{path}{name}", inner
        yield from described(inner.get("properties", {}), f"{path}{name}.")


def at(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def context(path):
    """The values of the longest beginning of the path that CONTEXTS has."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in CONTEXTS:
            name, change = CONTEXTS[".".join(parts[:end])]
            return merged(values_of(name), change)
    return values_of("minimal")


def outcome(values):
    """What comes out: the manifests and the notes; a refusal counts, for it is no silence."""
    try:
        return helm("install", "flights", "--namespace", "data", "--dry-run=client", values=values)
    except Refused as refused:
        return str(refused)


class Values(Case):
    def test_what_is_made_is_up_to_date(self):
        command = [sys.executable, str(ROOT / "deploy/helm/generate"), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_value_is_described_and_every_map_closed(self):
        whole = schema()
        for path, inner in described(whole["properties"]):
            self.assertIn("description", inner, path)
            if inner.get("properties"):
                self.assertIs(inner.get("additionalProperties"), False, path)
        for path, inner in leaves(whole["properties"]):
            self.assertTrue(inner.get("examples"), path)
            if "default" in inner:
                self.assertNotIn(
                    inner["default"], inner["examples"], f"{path}: the example is the default"
                )

    def test_examples_and_defaults_keep_to_the_schema(self):
        whole = schema()
        for path, inner in leaves(whole["properties"]):
            validator = jsonschema.Draft202012Validator({**inner, "$defs": whole["$defs"]})
            for value in inner["examples"] + [
                value for key, value in inner.items() if key == "default"
            ]:
                validator.validate(value)
        for name in SETS:
            jsonschema.Draft202012Validator(whole).validate(values_of(name))

    def test_every_value_makes_a_difference(self):
        def outcomes(leaf):
            path, inner = leaf
            values = context(path)
            changed = [merged(values, at(path, example)) for example in inner["examples"]]
            return {outcome(each) for each in [values, *changed]}

        found = list(leaves(schema()["properties"]))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for (path, inner), different in zip(found, pool.map(outcomes, found), strict=True):
                with self.subTest(value=path):
                    self.assertEqual(len(different), 1 + len(inner["examples"]))

    def test_unknown_and_wrong_values_are_refused_with_their_place(self):
        output = {"alias": "a", "topic": "t", "bootstrapServers": "k:1"}
        for change, *words in [
            ({"replica": 3}, "additional properties 'replica' not allowed"),
            ({"replicas": 0}, "at '/replicas'", "minimum"),
            ({"replicas": "2"}, "at '/replicas'", "want integer"),
            ({"image": {"repository": "ghcr.io/OWNER/kafka-output"}}, "at '/image/repository'"),
            ({"image": {"digest": "sha256:1"}}, "at '/image/digest'"),
            ({"job": {"memry": "1 GiB"}}, "at '/job'", "'memry' not allowed"),
            ({"job": {"memory": "1 gig"}}, "at '/job/memory'"),
            ({"job": {"outputs": [{**output, "topics": "t"}]}}, "at '/job/outputs/0'", "'topics'"),
            (
                {"job": {"outputs": [{**output, "guarantee": "once"}]}},
                "at '/job/outputs/0/guarantee'",
            ),
            ({"probes": {"protocol": "grpc"}}, "at '/probes/protocol'", "'Auto', 'Grpc', 'Http'"),
            ({"service": {"port": 70000}}, "at '/service/port'", "maximum"),
            ({"stop": {"preStopSeconds": 0}}, "at '/stop/preStopSeconds'"),
            ({"resources": {"memory": "1000M"}}, "at '/resources/memory'"),
            ({"podLabels": {"app.kubernetes.io/name": "x"}}, "app.kubernetes.io/name"),
            ({"workloadIdentity": {"clientId": "me"}}, "at '/workloadIdentity/clientId'"),
            (
                {"networkPolicy": {"brokers": [{"cidr": "10.0.0.0/40"}]}},
                "/networkPolicy/brokers/0/cidr",
            ),
            ({"networkPolicy": {"brokers": [{"ports": [1]}]}}, "at '/networkPolicy/brokers/0'"),
            ({"networkPolicy": {"grpcFrom": [{}]}}, "at '/networkPolicy/grpcFrom/0'"),
            (
                {"networkPolicy": {"grpcFrom": [{"cidr": "10.0.0.0/8", "namespace": "n"}]}},
                "/networkPolicy/grpcFrom/0",
            ),
            ({"secrets": {"env": [{"name": "A", "value": "password"}]}}, "at '/secrets/env/0'"),
            (
                {"secrets": {"files": [{"name": "external", "secret": "s"}]}},
                "at '/secrets/files/0/name'",
            ),
            ({"internalLoadBalancer": {"address": "10.1.0"}}, "at '/internalLoadBalancer/address'"),
            ({"extraEnv": [{"name": "A", "valueFrom": {}}]}, "at '/extraEnv/0'"),
        ]:
            with self.subTest(change=change):
                self.refused(change, *words)

    def test_values_that_do_not_go_together_are_refused(self):
        workload = {"identity": {"type": "workload"}}
        sasl = {"alias": "a", "topic": "t", "bootstrapServers": "k:1"}
        folder = "/run/secrets/kafka-output"
        for change, word in [
            ({"existingJob": {"configMap": "c"}}, "one of them, not both"),
            (
                {"job": {"listen": {"grpc": {"address": "127.0.0.1:7070"}}}},
                "leave the addresses out",
            ),
            (
                {"job": {"listen": {"admin": {"address": "127.0.0.1:7071"}}}},
                "leave the addresses out",
            ),
            ({"job": {"listen": {"grpc": {"allowPlaintext": False}}}}, "or `allowPlaintext: true`"),
            ({"workloadIdentity": {"enabled": True}}, "needs `identity: { type: workload }`"),
            ({"job": workload}, "set workloadIdentity.enabled"),
            ({"job": workload, "workloadIdentity": {"enabled": True}}, "workloadIdentity.clientId"),
            ({"job": {"identity": {"type": "azureCli"}}}, "for a developer's machine"),
            (
                {"autoscaling": {"kind": "HPA", "minReplicas": 7}},
                "minReplicas is above maxReplicas",
            ),
            ({"autoscaling": {"kind": "KEDA"}}, "keda.prometheus: is missing"),
            ({"podDisruptionBudget": {"maxUnavailable": 2}}, "must be below the number of pods, 2"),
            ({"secrets": {"external": {"enabled": True}}}, "needs store and data"),
            ({"job": {"outputs": [{**sasl, "truststore": {"file": "ca.pem"}}]}}, "the file ca.pem"),
            ({"job": {"outputs": [{**sasl, "truststore": {"file": f"{folder}/x/ca"}}]}}, "has `x`"),
            (
                {"job": {"outputs": [{**sasl, "truststorePassword": {"env": "NO"}}]}},
                "the variable NO",
            ),
            (
                {
                    "job": {
                        "outputs": [
                            {**sasl, "serialization": {"type": "Avro", "schemaFile": "a.avsc"}}
                        ]
                    }
                },
                "the schema a.avsc",
            ),
            ({"secrets": {"files": [{"name": "a", "secret": "b"}] * 2}}, "two have the same name"),
            ({"extraEnv": [{"name": "A", "value": "b"}] * 2}, "two have the same name"),
        ]:
            with self.subTest(change=change):
                self.refused(change, word)

    def test_all_faults_are_told_in_one_go(self):
        self.refused(
            {"autoscaling": {"kind": "KEDA", "minReplicas": 7}, "networkPolicy": {"brokers": []}},
            "minReplicas",
            "keda.prometheus",
            "networkPolicy.brokers",
        )

    def test_the_chart_without_values_says_what_it_needs(self):
        with self.assertRaises(Refused) as caught:
            text({})
        self.assertIn("missing property 'repository'", str(caught.exception))
        with self.assertRaises(Refused) as caught:
            text({"image": {"repository": "ghcr.io/contoso/kafka-output"}})
        self.assertIn("job: is missing", str(caught.exception))

    def test_the_notes_name_what_is_there(self):
        notes = outcome(values_of("minimal")).split("NOTES:")[1]
        for word in (
            "http://flights-kafka-output.data.svc:7070",
            "flights-kafka-output-headless.data.svc",
            "helm test flights -n data",
            "629 MiB, and 35 s",
            "plaintext",
        ):
            self.assertIn(word, notes)
        secured = outcome(values_of("mtls")).split("NOTES:")[1]
        self.assertIn("https://", secured)
        self.assertNotIn("plaintext", secured)
