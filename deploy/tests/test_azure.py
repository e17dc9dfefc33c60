"""The Azure templates: what is wrong with them, and that each check finds what it is for."""

import pathlib
import re
import unittest

import yaml

import azure_faults
import azure_types
from bicep import ROOT, Template, Templates
from service import check_offline

TEMPLATES = Templates.of_project()
APP = "modules/container-app.bicep"

# check, file, what is replaced, by what, and what the check then says.
BROKEN = [
    (azure_types.faults, APP, "exposedPort:", "exposedport:", "has no `exposedport`"),
    (azure_types.faults, APP, "transport: transport", "transport: 'tcpp'", "`tcpp`, and not one"),
    (azure_types.faults, APP, "port: 7071, scheme: 'HTTP'", "scheme: 'HTTP'", "lacks `port`"),
    (azure_types.faults, APP, "port: 7071,", "port: '7071',", "is text, and not integer"),
    (azure_types.faults, APP, "tcp: { metadata", "tpc: { metadata", "has no `tpc`"),
    (azure_types.faults, APP, "lifecycle: 'None'", "lifecycle: 'Never'", "`Never`, and not one of"),
    (azure_types.faults, "modules/key-vault.bicep", "@2026-02-01", "@2026-02-30", "no types of"),
    (azure_types.faults, "modules/key-vault.bicep", "sku: {", "sko: {", "lacks `sku`"),
    (azure_types.faults, "modules/event-hubs.bicep", "kafkaEnabled: true", "kafkaEnabled: 'yes'",
     "is text, and not boolean"),
    (azure_types.faults, APP, "@allowed(['tcp', 'http2'])", "@allowed(['tcp', 'http3'])",
     "`http3`, and not one of"),
    (azure_faults.undescribed, APP, "@description('The job file, complete.')\n", "",
     "`jobFile` has no description"),
    (azure_faults.undescribed, APP, "// The service as", "param x string\n// The service as",
     "does not say its duty"),
    (azure_faults.unused, APP, "value: logLevel", "value: 'info'", "nothing uses `logLevel`"),
    (azure_faults.modules, "aks/main.bicep", "    workspaceId: workspaceId\n", "    spaceId: 'x'\n",
     "has no parameter `spaceId`"),
    (azure_faults.modules, "aks/main.bicep", "    tier: eventHubsTier\n", "", "lacks `tier`"),
    (azure_faults.modules, "aks/main.bicep", "outputs.host", "outputs.hostname",
     "no output `hostname`"),
    (azure_faults.modules, "container-apps/main.bicep", "'../modules/peering.bicep'",
     "'../modules/private-zone.bicep'", "modules/peering.bicep: nothing calls it"),
    (azure_faults.public, "modules/key-vault.bicep", "publicNetworkAccess: 'Disabled'",
     "publicNetworkAccess: 'Enabled'", "must be Disabled"),
    (azure_faults.public, "modules/key-vault.bicep", "    publicNetworkAccess: 'Disabled'\n", "",
     "is left out, and must be Disabled"),
    (azure_faults.public, "modules/key-vault.bicep", "enablePurgeProtection: true",
     "enablePurgeProtection: false", "must be True"),
    (azure_faults.public, "modules/key-vault.bicep", "defaultAction: 'Deny'",
     "defaultAction: 'Allow'", "who is not named is let in"),
    (azure_faults.public, "modules/key-vault.bicep", "part: 'vault'", "part: 'namespace'",
     "has no private endpoint"),
    (azure_faults.public, "modules/event-hubs.bicep", "disableLocalAuth: true",
     "disableLocalAuth: false", "must be True"),
    (azure_faults.public, "modules/environment.bicep", "internal: true", "internal: false",
     "`internal` is"),
    (azure_faults.public, "modules/environment.bicep", "@allowed(['Disabled', 'Enabled'])",
     "@allowed(['Enabled', 'Disabled'])", "`publicNetworkAccessForQuery` is"),
    (azure_faults.public, "modules/network.bicep", "sourceAddressPrefix: 'AzureLoadBalancer'",
     "sourceAddressPrefix: '*'", "is for everybody"),
    (azure_faults.public, "modules/network.bicep", "Microsoft.Network/networkSecurityGroups",
     "Microsoft.Network/publicIPAddresses", "publicIPAddresses"),
    (azure_faults.roles, "modules/key-vault.bicep", "4633458b-17de-408a-b874-0445c86b69e6",
     "00482a5a-887f-4fb3-b363-3b7fe8e74483", "is not one of those that are needed"),
    (azure_faults.roles, "modules/event-hubs.bicep", "scope: hubs[i]", "scope: namespace",
     "is for eventhubs, and not for namespaces"),
    (azure_faults.roles, "modules/registry-pull.bicep", "  scope: registry\n", "",
     "and not for resource group"),
    (azure_faults.secrets, "modules/registry-pull.bicep", "registry.properties.loginServer",
     "registry.listCredentials().username", "reads keys"),
    (azure_faults.secrets, APP, "'${app.properties", "'${jobFile}${app.properties",
     "tells a secure parameter"),
    (azure_faults.secrets, APP, "@secure()\n", "", "takes a secret and is not secure"),
    (azure_faults.secrets, APP, "param jobFile string", "param jobFile string = 'name: x'",
     "has a default"),
]


class Checks(unittest.TestCase):
    """The templates as they are, and as they are not."""

    def test_nothing_is_wrong(self):
        for check in [azure_types.faults, *azure_faults.CHECKS]:
            with self.subTest(check.__name__):
                self.assertEqual(list(check(TEMPLATES)), [])

    def test_each_check_finds_what_it_is_for(self):
        for check, file, old, new, told in BROKEN:
            with self.subTest(f"{check.__name__}: {old!r} becomes {new!r}"):
                text = TEMPLATES[file].text
                self.assertIn(old, text)
                broken = Templates(TEMPLATES)
                broken[file] = Template(text.replace(old, new))
                self.assertIn(told, "\n".join(check(broken)))

    def test_what_is_open_if_asked_is_closed_unless_asked(self):
        """`public` takes the first value that a parameter allows; here it is the default."""
        main = TEMPLATES["container-apps/main.bicep"]
        self.assertEqual(main.parameters["logQueryAccess"]["default"], "Disabled")
        self.assertEqual(main.allowed("logQueryAccess")[0], "Disabled")

    def test_parameter_files_are_held_against_their_templates(self):
        file = ROOT / "container-apps/event-hubs.bicepparam"
        for old, new, told in [
            ("param topics", "param topicks", "has no parameter `topicks`"),
            ("param target = 'EventHubs'\n", "", "`target` is missing"),
            ("'Standard'", "'Basic'", "is not one of"),
            ("= 12", "= '12'", "`partitions` is string"),
            ("job-event-hubs.yaml", "job-gone.yaml", "there is no job-gone.yaml"),
        ]:
            texts = {file: file.read_text().replace(old, new)}
            self.assertIn(told, "\n".join(azure_faults.parameter_files(TEMPLATES, texts)))


class Jobs(unittest.TestCase):
    """The job files of the templates."""

    def jobs(self):
        return sorted(pathlib.Path(ROOT).rglob("job-*.yaml"))

    def test_they_listen_where_the_template_looks(self):
        text = TEMPLATES[APP].text
        for file in self.jobs():
            listen = yaml.safe_load(file.read_text())["listen"]
            self.assertEqual(listen["grpc"]["address"], "0.0.0.0:7070")
            self.assertEqual(listen["admin"]["address"], "0.0.0.0:7071")
        self.assertEqual(set(re.findall(r"targetPort: (\d+)", text)), {"7070"})
        self.assertEqual(set(re.findall(r"\bport: (\d+)", text)), {"7071"})
        self.assertEqual(set(re.findall(r"path: '(/\w+)'", text)), {"/livez", "/readyz"})

    def test_what_the_template_replaces_is_in_them(self):
        main = TEMPLATES["container-apps/main.bicep"].text
        found = dict(re.findall(r"^var (\w+)Placeholder = '(.*)'$", main, re.M))
        found["vault"] = found["vault"].replace(
            "${environment().suffixes.keyvaultDns}", ".vault.azure.net")
        self.assertEqual(len(found), 3)
        jobs = {file.name: file.read_text() for file in self.jobs()}
        for name, text in jobs.items():
            for part in ("client", "vault"):
                self.assertIn(found[part], text, name)
        self.assertIn(found["host"], jobs["job-event-hubs.yaml"])

    def test_a_job_has_the_time_to_end_and_its_topics_are_made(self):
        grace = int(TEMPLATES["container-apps/main.bicep"].parameters[
            "terminationGracePeriodSeconds"]["default"])
        for file in self.jobs():
            job = yaml.safe_load(file.read_text())
            self.assertGreater(grace, int(job.get("shutdownTimeout", "25s").rstrip("s")))
            params = (file.parent / (file.stem.removeprefix("job-") + ".bicepparam")).read_text()
            made = re.search(r"^param topics = (.*)$", params, re.M)
            for output in job["outputs"] if made else []:
                self.assertIn(f"'{output['topic']}'", made[1])

    def test_the_service_takes_them(self):
        for file in self.jobs():
            check_offline(self, file)


if __name__ == "__main__":
    unittest.main()
