"""Files that are made from the model and from the shipped environments: `python -m landing_zone.documents` writes them all.

environments/schema/environment.json    for editors
docs/reference/environment.md           every key
docs/reference/controls.md              every control
docs/reference/drift.md                 every kind that `lz drift` looks at
docs/environments/NAME.{md,svg,csv,html}  picture and address book of every shipped environment
roles/NAME/README.md                    every variable of a role
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from foundation.places import CHECKOUT
from landing_zone import rolepages
from landing_zone.drift import kinds
from landing_zone.model import load
from landing_zone.model.reference import reference_text, schema_text
from landing_zone.planners import addressbook, diagram, plan
from landing_zone.planners.ledgerfile import load_ledger
from landing_zone.planners.plan import EnvironmentPlan
from policy import catalogue


def documents(checkout: Path = CHECKOUT) -> Iterator[tuple[Path, str]]:
    """Every made file and what it must say."""
    yield checkout / "environments" / "schema" / "environment.json", schema_text()
    yield checkout / "docs" / "reference" / "environment.md", reference_text()
    yield checkout / "docs" / "reference" / "controls.md", catalogue.page()
    yield checkout / "docs" / "reference" / "drift.md", kinds.page()
    yield from rolepages.pages(checkout)
    for path in shipped(checkout):
        planned = plan(load(path), load_ledger(path))
        yield from pictures(checkout / "docs" / "environments" / path.stem, planned)


def pictures(stem: Path, planned: EnvironmentPlan) -> Iterator[tuple[Path, str]]:
    """Page, topology and address book of one plan: path (`stem` with a suffix) and text of each."""
    yield stem.with_suffix(".md"), _page(stem.name, planned)
    yield stem.with_suffix(".svg"), diagram.svg(planned)
    yield stem.with_suffix(".csv"), addressbook.csv_text(planned)
    yield stem.with_suffix(".html"), addressbook.html_text(planned)


def shipped(checkout: Path = CHECKOUT) -> list[Path]:
    """The environment files that the checkout has."""
    return sorted(path for path in (checkout / "environments").glob("*.yaml") if not path.name.endswith(".ledger.yaml"))


def stale(checkout: Path = CHECKOUT) -> list[Path]:
    """Made files that are missing or do not say what they must."""
    return [path for path, text in documents(checkout) if not path.exists() or path.read_text(encoding="utf-8") != text]


def write(checkout: Path = CHECKOUT) -> list[Path]:
    """Write every made file that is stale; the paths written."""
    changed = stale(checkout)
    for path, text in documents(checkout):
        if path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return changed


def _page(stem: str, planned: EnvironmentPlan) -> str:
    demands = {region.name: region.demand for region in planned.regions.values()}
    rows = "\n".join(
        f"| {name} | {len(planned.regions[name].tenants)} | {each.projects} | {each.quota.instances} | {each.quota.cores} "
        f"| {each.quota.ram_mib // 1024} | {each.quota.volume_gib} | {each.created.networks} | {each.created.security_group_rules} |"
        for name, each in demands.items()
    )
    return f"""# {planned.name_en}

{planned.name_vi}. Environment `{planned.code}` ({planned.klass}, level {planned.level}, {planned.stage}), made from
[environments/{stem}.yaml](../../environments/{stem}.yaml) by `python -m landing_zone.documents`; do not edit.
Address book: [CSV]({stem}.csv), [HTML]({stem}.html). Picture: [SVG]({stem}.svg).

| region | tenants | projects | instances | cores | memory, GiB | volumes, GiB | networks | rules |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

Instances, cores, memory and volumes are the sums of all quotas; networks and rules are what the landing zone makes.

```mermaid
{diagram.mermaid(planned)}```
"""


if __name__ == "__main__":
    for written in write():
        print(written.relative_to(CHECKOUT))
