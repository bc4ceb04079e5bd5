"""The graph on OpenTofu's side: one configuration, one state, the same provider."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.graph.description import Ref, Tenant, Value
from foundation import process

ADDRESS = "registry.opentofu.org/terraform-provider-openstack/openstack"


def render(tenants: Iterable[Tenant], cloud: str, region: str, version: str) -> dict[str, Any]:
    """The configuration as main.tf.json says it; `version` of the provider."""
    resources: dict[str, dict[str, Any]] = {}
    for tenant in tenants:
        for node in tenant.nodes:
            resources.setdefault(node.kind, {})[node.name] = {name: _said(value) for name, value in node.properties.items()}
    return {
        "terraform": {"required_providers": {"openstack": {"source": ADDRESS, "version": version}}},
        "provider": {"openstack": {"cloud": cloud, "region": region}},
        "resource": resources,
    }


def mirror(folder: Path, provider: Path, version: str, platform: str) -> Path:
    """Lay out a filesystem mirror with the one provider, and return the command line settings that name it."""
    place = folder / "mirror" / ADDRESS / version / platform
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy2(provider, place / f"terraform-provider-openstack_v{version}")
    settings = folder / "tofu.rc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder / "mirror"}"\n  }}\n}}\n')
    return settings


@dataclass(frozen=True)
class Tofu:
    """One working folder of OpenTofu. `clouds` is the clouds.yaml; what it says goes to `log`."""

    binary: Path
    folder: Path
    settings: Path
    clouds: Path
    parallel: int | None = None

    def init(self, configuration: Mapping[str, Any]) -> None:
        """Write the configuration and take the provider from the mirror."""
        (self.folder / "main.tf.json").write_text(json.dumps(configuration, indent=1))
        self._run("init", "-input=false")

    def up(self) -> None:
        """Plan and make everything."""
        self._run("apply", "-auto-approve", "-input=false", *self._parallel())

    def plan(self, *, refresh: bool) -> None:
        """Plan; fails when something would change. With `refresh`, its default, it reads every resource in the cloud first."""
        self._run("plan", "-detailed-exitcode", "-input=false", f"-refresh={str(refresh).lower()}", *self._parallel())

    def down(self) -> None:
        """Remove everything."""
        self._run("destroy", "-auto-approve", "-input=false", *self._parallel())

    def _parallel(self) -> tuple[str, ...]:
        return () if self.parallel is None else (f"-parallelism={self.parallel}",)

    def _run(self, *words: str) -> None:
        process.run([self.binary, *words, "-no-color"], cwd=self.folder, env=self._env(), log=self.folder / "tofu.log")

    def _env(self) -> dict[str, str]:
        return {
            "TF_CLI_CONFIG_FILE": str(self.settings),
            "OS_CLIENT_CONFIG_FILE": str(self.clouds),
            "CHECKPOINT_DISABLE": "1",
            "PATH": os.environ.get("PATH", os.defpath),
        }


def _said(value: Value) -> Any:
    """A property in OpenTofu's language: references become expressions."""
    if isinstance(value, Ref):
        return f"${{{value.kind}.{value.name}.id}}"
    if isinstance(value, Mapping):
        return {name: _said(each) for name, each in value.items()}
    if isinstance(value, str | int):
        return value
    return [_said(each) for each in value]
