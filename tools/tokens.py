"""Make tokens.json: the Pulumi token of every Terraform resource and data source that the OpenStack plugin serves.

The tokens are read from the installed pulumi_openstack package, the Terraform names from provider.go of
terraform-provider-openstack, so that neither is written down by hand.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation import process
from foundation.errors import LzError, Problem
from tools import pins

PROVIDER_MODULE = "github.com/terraform-provider-openstack/terraform-provider-openstack/v3"

# Pulumi's names of modules where they differ from Terraform's
_MODULES = {"db": "database", "fw": "firewall", "lb": "loadbalancer", "image": "images"}
# names that follow no rule
_ODD_RESOURCES = {
    "openstack_blockstorage_quotaset_v3": "openstack:blockstorage/quoteSetV3:QuoteSetV3",
    "openstack_objectstorage_object_v1": "openstack:objectstorage/containerObject:ContainerObject",
}
_ODD_FUNCTIONS = {
    "openstack_dns_zone_v2": "openstack:dns/getDnsZone:getDnsZone",
    "openstack_sharedfilesystem_availability_zones_v2": "openstack:sharedfilesystem/getAvailbilityZones:getAvailbilityZones",
}


@dataclass(frozen=True)
class Names:
    """Names on one side: of resources, and of data sources (Pulumi: functions)."""

    resources: frozenset[str]
    functions: frozenset[str]


def terraform_names(provider_go: str) -> Names:
    """The names that a provider.go registers."""
    data, resources = provider_go.index("DataSourcesMap"), provider_go.index("ResourcesMap:")
    found = re.compile(r'"(openstack_[a-z0-9_]+)":')
    return Names(frozenset(found.findall(provider_go[resources:])), frozenset(found.findall(provider_go[data:resources])))


def pulumi_tokens(package: Path) -> Names:
    """The tokens that a Pulumi Python package (its folder) asks for."""
    resources: set[str] = set()
    functions: set[str] = set()
    for file in package.rglob("*.py"):
        text = file.read_text()
        resources.update(re.findall(r"super\(\w+, __self__\).__init__\(\s*'(openstack:[^']+)'", text))
        functions.update(re.findall(r"invoke(?:_output|_async)?\('(openstack:[^']+)'", text))
    return Names(frozenset(resources), frozenset(functions))


def _stem(name: str) -> str:
    return re.sub(r"v[0-9]+$", "", name.lower())


def match(terraform: Iterable[str], tokens: Iterable[str], prefix: str) -> dict[str, str]:
    """Terraform name -> token, for every name that has one. `prefix` ("get" for functions) starts each token's class."""
    index: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for token in sorted(tokens):
        _, module, name = token.split(":")
        index[module.split("/")[0], _stem(name.removeprefix(prefix))].append(token)
    found = {}
    for name in sorted(terraform):
        head, *rest = name.split("_")[1:]
        flat = "".join(rest)
        hits = index.get((_MODULES.get(head, head), _stem(flat))) or index.get(("index", _stem(head + flat)))
        if hits:
            found[name] = next((token for token in hits if token.lower().endswith(flat)), hits[0])
    return found


def table(terraform: Names, pulumi: Names) -> dict[str, dict[str, str]]:
    """The whole table. Raises LzError when a Terraform name has no token."""
    made = {
        "resources": match(terraform.resources, pulumi.resources, "") | _ODD_RESOURCES,
        "functions": match(terraform.functions, pulumi.functions, "get") | _ODD_FUNCTIONS,
    }
    missing = sorted((terraform.resources - set(made["resources"])) | (terraform.functions - set(made["functions"])))
    if missing:
        raise LzError(Problem(f"no Pulumi token for {', '.join(missing)}", cure="add them to the odd names in tools/tokens.py"))
    return made


def as_text(tokens: Mapping[str, Mapping[str, str]]) -> str:
    """The table as it is committed."""
    return json.dumps(tokens, indent=1, sort_keys=True) + "\n"


def package_folder() -> Path:
    """Where the installed pulumi_openstack package lies."""
    found = importlib.util.find_spec("pulumi_openstack")
    if found is None or found.origin is None:
        raise LzError(Problem("the Python package pulumi_openstack is not installed", cure="run: make venv"))
    return Path(found.origin).parent


def committed() -> Path:
    """The table in the repository."""
    return pins.load().artefacts["openstack"].sources() / "tokens.json"


def current(go: Path, env: Mapping[str, str]) -> str:
    """What tokens.json should hold, from the provider's source as the module proxy gives it."""
    said = process.run([go, "mod", "download", "-json", PROVIDER_MODULE], cwd=committed().parent, env=env)
    source = Path(json.loads(said)["Dir"]) / "openstack" / "provider.go"
    return as_text(table(terraform_names(source.read_text()), pulumi_tokens(package_folder())))
