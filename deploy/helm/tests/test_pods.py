"""How pods run: Pod Security `restricted`, probes, memory, the time to stop, where they are."""

import yaml
from chart import (
    Case,
    container,
    kinds,
    merged,
    one,
    pod_templates,
    render,
    rendered,
    values_of,
)


class Pods(Case):
    def test_every_pod_keeps_to_pod_security_restricted(self):
        for objects in self.each_set():
            for _, pod in pod_templates(objects):
                for key in (
                    "hostNetwork",
                    "hostPID",
                    "hostIPC",
                    "initContainers",
                    "ephemeralContainers",
                ):
                    self.assertNotIn(key, pod)
                allowed = {"configMap", "secret", "emptyDir", "projected", "csi", "downwardAPI"}
                for volume in pod["volumes"]:
                    self.assertLessEqual(set(volume) - {"name"}, allowed)
                self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
                self.assertEqual(pod["securityContext"]["runAsUser"], 65532)
                self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
                self.assertIs(pod["automountServiceAccountToken"], False)
                for each in pod["containers"]:
                    context = each["securityContext"]
                    self.assertIs(context["allowPrivilegeEscalation"], False)
                    self.assertIs(context["privileged"], False)
                    self.assertIs(context["runAsNonRoot"], True)
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                    self.assertEqual(context["seccompProfile"]["type"], "RuntimeDefault")
                    # Beyond `restricted`.
                    self.assertIs(context["readOnlyRootFilesystem"], True)
                    self.assertTrue(all(mount["readOnly"] for mount in each["volumeMounts"]))
                    self.assertFalse([port for port in each.get("ports", []) if "hostPort" in port])

    def test_no_secret_is_made_of_values(self):
        for objects in self.each_set():
            self.assertNotIn("Secret", kinds(objects))

    def test_the_grpc_port_is_probed_liveness_by_another_name_than_readiness(self):
        service, _ = container(rendered("minimal"))
        live, ready = {"port": 7070}, {"port": 7070, "service": "kafkaoutput.v1.KafkaOutputService"}
        self.assertEqual(service["startupProbe"]["grpc"], live)
        self.assertEqual(service["livenessProbe"]["grpc"], live)
        self.assertEqual(service["readinessProbe"]["grpc"], ready)

    def test_a_grpc_port_with_tls_is_probed_at_the_admin_port(self):
        for name in ("event-hubs", "mtls", "existing-job"):
            service, _ = container(rendered(name))
            self.assertEqual(
                service["startupProbe"]["httpGet"], {"path": "/livez", "port": "admin"}
            )
            self.assertEqual(
                service["livenessProbe"]["httpGet"], {"path": "/livez", "port": "admin"}
            )
            self.assertEqual(
                service["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "admin"}
            )
        self.refused({"probes": {"protocol": "Grpc"}}, "probes.protocol", base="mtls")

    def test_probes_have_one_way_of_asking_and_positive_periods(self):
        for objects in self.each_set():
            service, _ = container(objects)
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = service[name]
                self.assertEqual(len({"grpc", "httpGet"} & set(probe)), 1)
                for key in ("periodSeconds", "timeoutSeconds", "failureThreshold"):
                    self.assertGreater(probe[key], 0)
        startup = container(rendered("everything"))[0]["startupProbe"]
        self.assertGreaterEqual(startup["periodSeconds"] * startup["failureThreshold"], 121)

    def test_the_time_to_stop_is_above_the_pause_and_the_jobs_own(self):
        expected = {"minimal": 35, "mtls": 50, "existing-job": 70, "everything": 120}
        for name, seconds in expected.items():
            service, pod = container(rendered(name))
            self.assertEqual(pod["terminationGracePeriodSeconds"], seconds, name)
            self.assertGreater(service["lifecycle"]["preStop"]["sleep"]["seconds"], 0)
        for timeout, seconds in {
            "500ms": 11,
            "1500ms": 12,
            "2m": 130,
            "1h": 3610,
            "1 h": 3610,
        }.items():
            job = {"job": {"shutdownTimeout": timeout}}
            _, pod = container(render(merged(values_of("minimal"), job)))
            self.assertEqual(pod["terminationGracePeriodSeconds"], seconds, timeout)
        self.refused({"stop": {"terminationGracePeriodSeconds": 30}}, "must be above 30")
        one_more = merged(values_of("minimal"), {"stop": {"terminationGracePeriodSeconds": 31}})
        self.assertEqual(container(render(one_more))[1]["terminationGracePeriodSeconds"], 31)

    def test_memory_is_what_the_readme_says_to_count(self):
        def limit(change, base="minimal"):
            service, _ = container(render(merged(values_of(base), change)))
            resources = service["resources"]
            self.assertEqual(resources["requests"]["memory"], resources["limits"]["memory"])
            return resources["limits"]["memory"]

        # 512 MiB and 15 % are 588.8 MiB.
        self.assertEqual(limit({}), "629Mi")
        exact = {"job": {"defaults": {"guarantee": "exactlyOnce"}}}
        self.assertEqual(limit(exact), "649Mi")
        self.assertEqual(limit({}, "mtls"), "1238Mi")
        self.assertEqual(limit({}, "existing-job"), "2416Mi")
        sizes = {
            "16MiB": "59Mi",
            "16777216": "59Mi",
            16777216: "59Mi",
            "100 MB": "150Mi",
            "32768 KiB": "77Mi",
            "2000000 KB": "2234Mi",
            "1 GB": "1137Mi",
            "4 GiB": "4751Mi",
            5000000000: "5524Mi",
            "16777216 B": "59Mi",
        }
        for size, expected in sizes.items():
            self.assertEqual(limit({"job": {"memory": size}}), expected, size)
        self.assertEqual(limit({"resources": {"memory": "1Gi"}}), "1024Mi")
        self.refused({"resources": {"memory": "628Mi"}}, "629Mi")

    def test_whole_numbers_stay_whole_in_the_job_file(self):
        job = one(rendered("everything"), "ConfigMap", "-job")["data"]["job.yaml"]
        self.assertIn("maxIdleWriters: 10000000\n", job)
        self.assertIn("memory: 536870912\n", job)
        self.assertIn("bytes: 2000000\n", job)

    def test_the_job_file_has_the_chart_s_addresses_and_all_else_as_given(self):
        values = values_of("mtls")
        expected = merged(
            values["job"],
            {"listen": {"grpc": {"address": "0.0.0.0:7070"}, "admin": {"address": "0.0.0.0:7071"}}},
        )
        data = one(rendered("mtls"), "ConfigMap", "-job")["data"]
        self.assertEqual(yaml.safe_load(data["job.yaml"]), expected)
        self.assertEqual(data["flight.avsc"], values["jobFiles"]["flight.avsc"])

    def test_a_changed_output_replaces_no_pod_and_what_needs_a_restart_does(self):
        def template(change):
            values = merged(values_of("minimal"), {"job": change})
            return one(render(values), "Deployment")["spec"]["template"]

        before = template({})
        outputs = [{"alias": "other", "topic": "t", "bootstrapServers": "k:1"}]
        self.assertEqual(template({"outputs": outputs}), before)
        self.assertEqual(template({"defaults": {"errorPolicy": "Drop"}}), before)
        for change in (
            {"name": "other"},
            {"memory": "513 MiB"},
            {"secretRefresh": "2h"},
            {"listen": {"grpc": {"maxWriters": 10}}},
            {"shutdownTimeout": "26s"},
        ):
            self.assertNotEqual(template(change), before, change)

    def test_workload_identity_has_its_label_and_annotations(self):
        for labels, _ in pod_templates(rendered("everything")):
            self.assertEqual(labels["azure.workload.identity/use"], "true")
        account = one(rendered("everything"), "ServiceAccount")
        key = "azure.workload.identity/"
        self.assertEqual(
            account["metadata"]["annotations"],
            {
                "example.org/owner": "data",
                key + "client-id": "11111111-2222-3333-4444-555555555555",
                key + "tenant-id": "66666666-7777-8888-9999-000000000000",
                key + "service-account-token-expiration": "7200",
            },
        )
        for _, pod in pod_templates(rendered("everything")):
            self.assertEqual(pod["serviceAccountName"], account["metadata"]["name"])
        for labels, _ in pod_templates(rendered("minimal")):
            self.assertNotIn("azure.workload.identity/use", labels)
        self.assertNotIn("annotations", one(rendered("minimal"), "ServiceAccount")["metadata"])

    def test_pods_are_spread_over_zones_and_hosts(self):
        _, pod = container(rendered("event-hubs"))
        spread = {
            each["topologyKey"]: each["whenUnsatisfiable"]
            for each in pod["topologySpreadConstraints"]
        }
        self.assertEqual(
            spread,
            {
                "topology.kubernetes.io/zone": "DoNotSchedule",
                "kubernetes.io/hostname": "ScheduleAnyway",
            },
        )
        self.assertNotIn("topologySpreadConstraints", container(rendered("existing-job"))[1])

    def test_an_existing_job_is_mounted_as_the_job_file(self):
        _, pod = container(rendered("existing-job"))
        self.assertEqual(
            pod["volumes"],
            [
                {
                    "name": "job",
                    "configMap": {
                        "name": "flights-job",
                        "items": [{"key": "flights.yaml", "path": "job.yaml"}],
                    },
                }
            ],
        )
        self.assertEqual(kinds(rendered("existing-job")), {"Deployment", "Service"})

    def test_the_tests_pod_runs_check_with_what_the_service_has(self):
        for name in ("minimal", "event-hubs", "mtls", "everything"):
            objects = rendered(name)
            check = one(objects, "Pod", "-check")
            self.assertEqual(check["metadata"]["annotations"]["helm.sh/hook"], "test")
            run, (service, pod) = check["spec"]["containers"][0], container(objects)
            self.assertEqual(run["args"], ["check", "/etc/kafka-output/job.yaml"])
            self.assertEqual(service["args"], ["serve", "/etc/kafka-output/job.yaml"])
            for key in ("image", "env", "volumeMounts"):
                self.assertEqual(run[key], service[key])
            for key in ("volumes", "serviceAccountName", "securityContext"):
                self.assertEqual(check["spec"][key], pod[key])
