"""Scaling, alerts, dashboard. Prometheus' own engine answers the autoscaler's queries."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml
from chart import CHART, ROOT, Case, Refused, kinds, merged, one, render, rendered, values_of

PROMTOOL = os.environ["PROMTOOL"]
MEMORY, AGE = "memory", "age"
POD = 'namespace="data",pod="flights-output-5d4f-abcde"'
OTHER = 'namespace="data",pod="flights-output-5d4f-fghij"'
FOREIGN = 'namespace="data",pod="flights-output-more-5d4f-abcde"'


def series(memory=0, age=0, up=1, pod=POD, output="a", trouble=None, throttled=0):
    """One output of one pod for an hour: bytes of 1,000, seconds, seconds of delay a minute."""
    labels = f'{pod},output="{output}"'
    code = f'kafka_output_trouble{{{labels},code="X"}}'
    return {
        f"kafka_output_memory_budget_bytes{{{pod}}}": "1000x60",
        f"kafka_output_memory_used_bytes{{{labels}}}": f"{memory}x60",
        f"kafka_output_oldest_unacknowledged_age_seconds{{{labels}}}": f"{age}x60",
        f"kafka_output_up{{{labels}}}": f"{up}x60",
        f"kafka_output_throttled_seconds_total{{{labels}}}": f"0+{throttled}x60",
        **({code: "1x60"} if trouble else {}),
    }


def queries():
    """Of the set `everything`: thresholds 0.3 of memory, 2 s of age, 0.1 of throttling."""
    triggers = one(rendered("everything"), "ScaledObject")["spec"]["triggers"]
    return {trigger["name"]: trigger["metadata"]["query"] for trigger in triggers}


class Scaling(Case):
    def answers(self, trigger, expected, *outputs):
        """The query's answer to these outputs; None is none."""
        given = {name: values for output in outputs for name, values in output.items()}
        samples = [] if expected is None else [{"value": expected, "labels": "{}"}]
        test = {
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [
                        {"series": name, "values": values} for name, values in given.items()
                    ],
                    "promql_expr_test": [
                        {"expr": queries()[trigger], "eval_time": "30m", "exp_samples": samples}
                    ],
                }
            ],
        }
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(test, file)
            file.flush()
            command = [PROMTOOL, "test", "rules", file.name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_memory_is_the_mean_over_pods_of_the_part_that_outputs_hold(self):
        self.answers(MEMORY, 0.6, series(memory=600))
        self.answers(MEMORY, 0.5, series(memory=300), series(memory=200, output="b"))
        self.answers(MEMORY, 0.4, series(memory=600), series(memory=200, pod=OTHER))
        self.answers(MEMORY, 0, series())

    def test_age_is_that_of_the_oldest_batch_and_at_most_twice_the_aim(self):
        self.answers(AGE, 3, series(age=3), series(age=1, pod=OTHER))
        self.answers(AGE, 4, series(age=3600))
        self.answers(AGE, 0, series())

    def test_throttling_brokers_cap_it_where_it_is_and_let_it_shrink(self):
        # Six and twelve seconds a minute are 0.1 and 0.2: the first is not above the limit.
        self.answers(MEMORY, 0.6, series(memory=600, throttled=6))
        self.answers(MEMORY, 0.3, series(memory=600, throttled=12))
        self.answers(MEMORY, 0.3, series(memory=600), series(pod=OTHER, throttled=12))
        self.answers(MEMORY, 0.1, series(memory=100, throttled=12))
        self.answers(AGE, 2, series(age=9, throttled=12))
        self.answers(AGE, 1, series(age=1, throttled=12))

    def test_outputs_that_wait_for_something_else_do_not_count(self):
        down, troubled = (
            series(memory=900, age=900, up=0),
            series(memory=900, age=900, trouble=True),
        )
        passing = series(memory=100, age=1, output="b")
        for output in (down, troubled):
            self.answers(MEMORY, 0.1, output, passing)
            self.answers(AGE, 1, output, passing)

    def test_while_no_rows_pass_the_number_of_pods_stays(self):
        for output in (
            series(memory=900, age=900, up=0),
            series(memory=900, age=900, trouble=True),
        ):
            self.answers(MEMORY, 0.3, output)
            self.answers(AGE, 2, output)

    def test_without_metrics_there_is_no_answer_which_is_an_error_and_no_reason_to_shrink(self):
        foreign = series(memory=900, age=900, pod=FOREIGN)
        self.answers(MEMORY, None, foreign)
        self.answers(AGE, None, foreign)
        for trigger in one(rendered("everything"), "ScaledObject")["spec"]["triggers"]:
            self.assertEqual(trigger["metadata"]["ignoreNullValues"], "false")
            self.assertEqual(trigger["metricType"], "Value")

    def test_queries_ask_for_metrics_that_there_are(self):
        catalogue = (ROOT / "docs/operation/metrics.md").read_text()
        names = {
            name for query in queries().values() for name in re.findall(r"kafka_output_\w+", query)
        }
        self.assertEqual(len(names), 6)
        for name in names:
            self.assertIn(f"| `{name}` |", catalogue)

    def test_whoever_scales_decides_alone(self):
        for name, kind in {
            "everything": "ScaledObject",
            "external-secrets": "HorizontalPodAutoscaler",
        }.items():
            objects = rendered(name)
            deployment = one(objects, "Deployment")
            self.assertNotIn("replicas", deployment["spec"])
            target = one(objects, kind)["spec"]["scaleTargetRef"]
            self.assertEqual(target["name"], deployment["metadata"]["name"])
        self.assertEqual(one(rendered("minimal"), "Deployment")["spec"]["replicas"], 2)
        self.assertFalse({"ScaledObject", "HorizontalPodAutoscaler"} & kinds(rendered("minimal")))


class Watching(Case):
    def test_the_alerts_are_those_of_the_project(self):
        source = (ROOT / "deploy/prometheus/rules.yaml").read_text()
        groups = one(rendered("everything"), "PrometheusRule")["spec"]["groups"]
        base = "https://github.com/contoso/kafka-output/blob/main/"
        expected = yaml.safe_load(
            source.replace("runbook_url: 'docs/", f"runbook_url: '{base}docs/")
        )
        self.assertEqual(groups, expected["groups"])
        plain = merged(values_of("everything"), {"rules": {"runbooks": ""}})
        groups = one(render(plain), "PrometheusRule")["spec"]["groups"]
        self.assertEqual(groups, yaml.safe_load(source)["groups"])

    def test_prometheus_takes_the_alerts(self):
        rule = one(rendered("everything"), "PrometheusRule")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(rule["spec"], file)
            file.flush()
            command = [PROMTOOL, "check", "rules", file.name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_dashboard_arrives_as_it_is(self):
        labels = {"dashboard": {"enabled": True, "labels": {"team": "data"}}}
        found = one(
            render(merged(values_of("minimal"), labels)), "ConfigMap", "-kafka-output-dashboard"
        )
        source = (ROOT / "deploy/grafana/kafka-output.json").read_text()
        self.assertEqual(found["data"], {"flights-kafka-output.json": source})
        self.assertEqual(found["metadata"]["labels"]["grafana_dashboard"], "1")
        self.assertEqual(found["metadata"]["labels"]["team"], "data")

    def test_a_chart_without_a_dashboard_refuses_to_install_one(self):
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "kafka-output"
            shutil.copytree(CHART, chart)
            (chart / "files/dashboard.json").unlink()
            render(values_of("minimal"), chart)
            with self.assertRaises(Refused) as caught:
                render(merged(values_of("minimal"), {"dashboard": {"enabled": True}}), chart)
        self.assertIn("without a dashboard", str(caught.exception))

    def test_monitors_scrape_the_admin_port(self):
        change = {"monitor": {"enabled": True, "kind": "PodMonitor"}}
        objects = render(merged(values_of("everything"), change))
        (endpoint,) = one(objects, "PodMonitor")["spec"]["podMetricsEndpoints"]
        self.assertEqual((endpoint["port"], endpoint["path"]), ("admin", "/metrics"))
        names = [each["metadata"]["name"] for each in objects if each["kind"] == "Service"]
        self.assertNotIn("flights-output-metrics", names)
        for endpoint in one(rendered("everything"), "ServiceMonitor")["spec"]["endpoints"]:
            seconds = {
                key: int(endpoint[key].removesuffix("s")) for key in ("interval", "scrapeTimeout")
            }
            self.assertLessEqual(seconds["scrapeTimeout"], seconds["interval"])
