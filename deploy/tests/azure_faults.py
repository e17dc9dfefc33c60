"""What is wrong with the Azure templates, beside what Azure's types say. Each check is a function of
all templates to a list of faults; test_azure.py breaks templates to see that each check bites."""

import json
import re

from azure_types import TYPES
from bicep import ROOT, alternatives, walk

# The built-in roles that may be given, and on what: the smallest that does.
ROLES = {
    "4633458b-17de-408a-b874-0445c86b69e6": ("Key Vault Secrets User", "vaults"),
    "2b629674-e913-4c01-ae53-ef4638d8f975": ("Azure Event Hubs Data Sender", "eventhubs"),
    "a638d3c7-ab3a-418d-83e6-5f17a39d4fde": ("Azure Event Hubs Data Receiver", "eventhubs"),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": ("AcrPull", "registries"),
}
# Keys that must stand there, with this value, wherever a resource has them. The service has its
# secrets from the vault, so what else could let somebody in is switched off.
DEMANDED = {
    "publicNetworkAccess": "Disabled",
    "publicNetworkAccessForIngestion": "Disabled",
    "publicNetworkAccessForQuery": "Disabled",
    "disableLocalAuth": True,
    "enablePurgeProtection": True,
    "enableSoftDelete": True,
    "enableRbacAuthorization": True,
    "internal": True,
    "minimumTlsVersion": "1.2",
}
# The part of a private endpoint, and its zone, of each resource that is reached by one.
PARTS = {
    "vault": ("Microsoft.KeyVault/vaults", "privatelink.vaultcore.azure.net"),
    "namespace": ("Microsoft.EventHub/namespaces", "privatelink.servicebus.windows.net"),
    "registry": ("Microsoft.ContainerRegistry/registries", "privatelink.azurecr.io"),
}


def undescribed(templates):
    """Parameters and outputs without a sentence, files without their duty."""
    for file, template in templates.items():
        if not template.text.startswith("// "):
            yield f"{file}: the first line does not say its duty"
        for kind in ("parameters", "outputs"):
            for name, value in getattr(template, kind).items():
                texts = [d["argument"] for d in value["decorators"] if d["type"] == "description"]
                if not texts or not texts[0].strip().endswith("."):
                    yield f"{file}: `{name}` has no description that ends with a full stop"


def unused(templates):
    """Parameters and variables that nothing reads."""
    for file, template in templates.items():
        # Without the names of keys, which mean nothing here.
        code = re.sub(r"(^|[{,])(\s*)\w+:", r"\1\2", template.code(), flags=re.M)
        for name in [*template.parameters, *template.variables]:
            if len(re.findall(rf"(?<![\w.'-]){name}(?!\w)", code)) < 2:
                yield f"{file}: nothing uses `{name}`"


def modules(templates):
    """Modules that are called with other parameters than they have, or asked for other outputs."""
    called = {"container-apps/main.bicep", "aks/main.bicep"}
    for file, template in templates.items():
        for symbol, module in template.modules.items():
            path = templates.module(file, module)
            called.add(path)
            if path not in templates:
                yield f"{file}: {symbol}: there is no {path}"
                continue
            given = set(template.body(module)["params"])
            known = templates[path].parameters
            needed = {name for name, value in known.items() if value["default"] is None}
            yield from (f"{file}: {symbol} has no parameter `{n}`" for n in given - set(known))
            yield from (f"{file}: {symbol} lacks `{n}`" for n in needed - given)
        for symbol, output in re.findall(r"\b(\w+)!?\.outputs\.(\w+)", template.code()):
            path = templates.module(file, template.modules[symbol])
            if output not in templates[path].outputs:
                yield f"{file}: {symbol} has no output `{output}`"
    yield from (f"{file}: nothing calls it" for file in set(templates) - called)


def public(templates):
    """Whatever could be reached from the internet."""
    types = json.loads(TYPES.read_text())["types"]
    endpoints = {template.body(module)["params"]["part"]
                 for template in templates.values() for module in template.modules.values()
                 if module["detail"]["path"].endswith("private-endpoint.bicep")}
    for file, template in templates.items():
        for symbol, resource in template.resources.items():
            kind = resource["type"]
            place = f"{file}: {symbol}"
            if kind.endswith(("publicIPAddresses", "natGateways", "accessPolicies")):
                yield f"{place}: {kind}"
            for part, (of, _) in PARTS.items():
                if kind == of and part not in endpoints:
                    yield f"{place} has no private endpoint"
            if not resource["existing"]:
                known = types.get(f"{kind}@{resource['api_version']}", {})
                yield from demanded(template, place, known, template.body(resource))
    for part, (_, zone) in PARTS.items():
        if not any(f"'{zone}'" in template.text for template in templates.values()):
            yield f"nobody makes the zone {zone} of {part}"


def demanded(template, place, known, body):
    """Whether what must stand there does, and no rule lets everybody in."""
    for path, names in known.items():
        for name in (n.rstrip("*") for n in names.split() if not names.startswith("=")):
            wanted = DEMANDED.get(name)
            # A vault behind its private endpoint has these keys on its first level alone.
            if wanted is None or path not in ("properties", "properties.features",
                                              "properties.vnetConfiguration"):
                continue
            values = value_of(template, body, f"{path}.{name}")
            if values != [wanted]:
                yield f"{place}: `{name}` is {values or 'left out'}, and must be {wanted}"
    for path, value in walk(template, body):
        if path.endswith("bypass") and value != "None":
            yield f"{place}: {value} may pass by the vault's rules"
        if path.endswith("defaultAction") and value != "Deny":
            yield f"{place}: who is not named is let in"
    for rule in body.get("properties", {}).get("securityRules", []):
        rule = rule["properties"]
        if rule["access"] == "Allow" and rule.get("sourceAddressPrefix") in ("*", "Internet"):
            yield f"{place}: `{rule['description']}` is for everybody"


def value_of(template, body, path):
    """What stands at a path; of a parameter its default, as what happens unless somebody asks."""
    for step in path.split("."):
        body = body.get(step) if isinstance(body, dict) else None
    if isinstance(body, str) and body in template.parameters:
        # The first of the values that it allows is the default of the file that people call.
        return template.allowed(body)[:1] or [body]
    return [] if body is None else alternatives(template, body)


def roles(templates):
    """Roles other than the smallest, or on more than one resource."""
    for file, template in templates.items():
        for symbol, resource in template.resources.items():
            if resource["type"] != "Microsoft.Authorization/roleAssignments":
                continue
            body, place = template.body(resource), f"{file}: {symbol}"
            name = body["properties"]["roleDefinitionId"]["function"]["parameters"][
                "resource_name_1"]
            role = template.variables.get(name, {"value": name})["value"]
            if role not in ROLES:
                yield f"{place}: the role {role} is not one of those that are needed"
                continue
            scope = body.get("scope")
            if isinstance(scope, dict):
                scope = scope["operator"]["operands"]["operand_1"]
            on = template.resources.get(scope, {"type": "resource group"})["type"].split("/")[-1]
            if on != ROLES[role][1]:
                yield f"{place}: {ROLES[role][0]} is for {ROLES[role][1]}, and not for {on}"
            if body["properties"].get("principalType") != "ServicePrincipal":
                yield f"{place}: without principalType a new identity may not be found yet"


def secrets(templates):
    """Secrets that come out, or stand in a template."""
    for file, template in templates.items():
        code = template.code()
        for call in re.findall(r"\blist\w*\(|\bgetSecret\(", code):
            yield f"{file}: {call}…) reads keys"
        safe = {n for n, p in template.parameters.items()
                if any(d["type"] == "secure" for d in p["decorators"])}
        for name, output in template.outputs.items():
            if re.search(r"secret|password|connection|(?<!public)key$", name, re.I):
                yield f"{file}: the output `{name}` sounds like a secret"
            if any(re.search(rf"\b{word}\b", json.dumps(output["value"])) for word in safe):
                yield f"{file}: the output `{name}` tells a secure parameter"
        for name in safe:
            if template.parameters[name]["default"] is not None:
                yield f"{file}: the secure parameter `{name}` has a default"
        # What is secure stays so on its way into a module.
        tainted = set(safe)
        for variable, value in template.variables.items():
            if any(re.search(rf"\b{w}\b", json.dumps(value["value"])) for w in tainted):
                tainted.add(variable)
        for symbol, module in template.modules.items():
            other = templates[templates.module(file, module)]
            for name, value in template.body(module)["params"].items():
                kinds = [d["type"] for d in other.parameters.get(name, {}).get("decorators", [])]
                if isinstance(value, str) and value in tainted and "secure" not in kinds:
                    yield f"{file}: `{name}` of {symbol} takes a secret and is not secure"


def parameter_files(templates, texts=None):
    """Parameter files with names that their template does not have, or without those it needs."""
    files = texts or {f: f.read_text() for f in sorted(ROOT.rglob("*.bicepparam"))}
    for file, text in files.items():
        place = str(file.relative_to(ROOT))
        using = re.search(r"^using '(.*)'$", text, re.M)
        if not using:
            yield f"{place}: no `using`"
            continue
        main = str((file.parent / using[1]).resolve().relative_to(ROOT))
        known = templates[main].parameters
        given = dict(re.findall(r"^param (\w+) = (.*)$", text, re.M))
        needed = {name for name, value in known.items() if value["default"] is None}
        yield from (f"{place}: {main} has no parameter `{n}`" for n in set(given) - set(known))
        yield from (f"{place}: `{n}` is missing" for n in needed - set(given))
        for name in set(given) & set(known):
            start = given[name]
            kind = {"'": "string", "[": "array", "l": "string"}.get(start[0], "int")
            kind = "bool" if start in ("true", "false") else kind
            if kind != known[name]["type"]:
                yield f"{place}: `{name}` is {kind}, and not {known[name]['type']}"
            for decorator in known[name]["decorators"]:
                if decorator["type"] == "allowed" and start.strip("'") not in decorator["argument"]:
                    yield f"{place}: `{name}` is not one of {decorator['argument']}"
        for job in re.findall(r"loadTextContent\('(.*)'\)", text):
            if not (file.parent / job).exists():
                yield f"{place}: there is no {job}"


CHECKS = [undescribed, unused, modules, public, roles, secrets, parameter_files]
