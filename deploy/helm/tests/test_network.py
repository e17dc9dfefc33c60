"""Who reaches whom: nothing but what the values name, and no public address."""

from chart import (
    Case,
    kinds,
    matches,
    merged,
    one,
    pod_templates,
    render,
    rendered,
    values_of,
)


def policy(name, change=None):
    values = merged(values_of(name), change or {})
    return one(render(values), "NetworkPolicy")["spec"]


def ports(rule):
    return [(port["protocol"], port["port"]) for port in rule["ports"]]


class Network(Case):
    def test_both_ways_are_closed_but_for_rules_with_peers_and_ports(self):
        for objects in self.each_set():
            if "NetworkPolicy" not in kinds(objects):
                continue
            spec = one(objects, "NetworkPolicy")["spec"]
            self.assertEqual(spec["policyTypes"], ["Ingress", "Egress"])
            for labels, _ in pod_templates(objects):
                self.assertTrue(matches(spec["podSelector"]["matchLabels"], labels))
            for rule in spec["ingress"]:
                self.assertTrue(rule["from"] and all(rule["from"]) and rule["ports"], rule)
            for rule in spec["egress"]:
                self.assertTrue(rule["to"] and all(rule["to"]) and rule["ports"], rule)
            for rule in spec["ingress"] + spec["egress"]:
                for peer in rule.get("from", []) + rule.get("to", []):
                    self.assertTrue(all(peer.values()), peer)

    def test_only_a_policy_that_is_switched_off_is_missing(self):
        self.assertNotIn("NetworkPolicy", kinds(rendered("existing-job")))
        self.assertIn("NetworkPolicy", kinds(rendered("minimal")))

    def test_writers_reach_7070_and_monitoring_7071(self):
        rules = policy("everything")["ingress"]
        self.assertEqual([ports(rule) for rule in rules], [[("TCP", 7070)], [("TCP", 7071)]])
        namespace = {"matchLabels": {"kubernetes.io/metadata.name": "engine"}}
        pods = {"matchLabels": {"app": "query"}}
        self.assertEqual(
            rules[0]["from"],
            [
                {"namespaceSelector": namespace, "podSelector": pods},
                {"ipBlock": {"cidr": "fd00:1::/64"}},
            ],
        )
        monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
        self.assertEqual(rules[1]["from"], [{"namespaceSelector": monitoring}])
        self.assertEqual(len(policy("minimal")["ingress"]), 1)

    def test_pods_reach_names_brokers_and_what_is_private(self):
        out = policy("everything")["egress"]
        self.assertEqual(
            [ports(rule) for rule in out],
            [
                [("UDP", 53), ("TCP", 53)],
                [("TCP", 9092), ("TCP", 9093)],
                [("TCP", 9093), ("TCP", 9094)],
                [("TCP", 443)],
                [("TCP", 8443)],
                [("TCP", 443)],
            ],
        )
        self.assertEqual(
            out[1]["to"],
            [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kafka"}}}],
        )
        self.assertEqual(out[2]["to"], [{"ipBlock": {"cidr": "10.3.0.0/24"}}])
        self.assertEqual(out[5]["to"], [{"ipBlock": {"cidr": "10.5.0.4/32"}}])
        (broker,) = [rule for rule in policy("mtls")["egress"] if ports(rule) == [("TCP", 9093)]]
        block = {"cidr": "10.3.0.0/24", "except": ["10.3.0.1/32"]}
        self.assertEqual(broker["to"], [{"ipBlock": block}])

    def test_entra_id_is_reached_if_the_job_needs_it(self):
        def reached(name, change=None):
            return [
                peer["ipBlock"]["cidr"]
                for rule in policy(name, change)["egress"]
                for peer in rule["to"]
                if peer.get("ipBlock", {}).get("cidr", "").startswith("20.")
            ]

        def entra(enabled):
            return {"networkPolicy": {"entra": {"enabled": enabled}}}

        self.assertEqual(len(reached("event-hubs")), 3)
        self.assertEqual(reached("event-hubs", entra("Never")), [])
        self.assertEqual(reached("minimal"), [])
        self.assertEqual(len(reached("minimal", entra("Always"))), 3)
        tokens = {"tenant": "t", "audiences": "api://x", "roles": ["r"]}
        self.assertEqual(len(reached("mtls", {"job": {"listen": {"grpc": {"tokens": tokens}}}})), 3)

    def test_the_nodes_own_tokens_are_reached_by_a_machines_identity(self):
        job = {"job": {"identity": {"type": "systemAssigned"}}}
        out = policy("minimal", job)["egress"]
        self.assertEqual(out[-1]["to"], [{"ipBlock": {"cidr": "169.254.169.254/32"}}])
        self.assertEqual(ports(out[-1]), [("TCP", 80)])

    def test_a_policy_under_which_nothing_could_work_is_refused(self):
        self.refused({"networkPolicy": {"grpcFrom": []}}, "networkPolicy.grpcFrom: is empty")
        self.refused({"networkPolicy": {"brokers": []}}, "networkPolicy.brokers: is empty")
        self.refused({"monitor": {"enabled": True}}, "networkPolicy.metricsFrom: is empty")

    def test_no_balancer_has_a_public_address(self):
        key = "service.beta.kubernetes.io/azure-load-balancer-internal"
        found = 0
        for objects in self.each_set():
            for service in (each for each in objects if each["kind"] == "Service"):
                spec = service["spec"]
                self.assertIn(spec["type"], ("ClusterIP", "LoadBalancer"))
                self.assertNotIn("externalIPs", spec)
                if spec["type"] == "LoadBalancer":
                    found += 1
                    self.assertEqual(service["metadata"]["annotations"][key], "true")
                    self.assertEqual(spec["externalTrafficPolicy"], "Local")
            self.assertNotIn("Ingress", kinds(objects))
        self.assertEqual(found, 2)

    def test_clients_that_balance_see_every_pod(self):
        headless = one(rendered("minimal"), "Service", "-headless")["spec"]
        self.assertEqual(headless["clusterIP"], "None")
        # A pod that is not ready is not among them: writers go to one that is.
        self.assertNotIn("publishNotReadyAddresses", headless)

    def test_meshes_are_told_what_the_port_speaks(self):
        for name, protocol in {"minimal": "kubernetes.io/h2c", "mtls": "https"}.items():
            service = one(rendered(name), "Service", "-headless")["spec"]
            self.assertEqual(service["ports"][0]["appProtocol"], protocol)
