"""What is made from a plan: pictures and address books, complete, well formed, and committed as they are."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from foundation.places import CHECKOUT
from landing_zone import documents
from landing_zone.model import load
from landing_zone.planners import addressbook, diagram, plan
from landing_zone.planners.ledgerfile import ledger_path, load_ledger
from tests.unit.model import support
from tests.unit.planners.support import layers, planned, with_tenants


def test_made_files_are_current() -> None:
    """After a change of the model or of an environment: make docs."""
    assert [str(path.relative_to(CHECKOUT)) for path in documents.stale()] == []


def test_shipped_environments_have_their_ledger() -> None:
    for path in documents.shipped():
        assert ledger_path(path).exists()
        assert plan(load(path), load_ledger(path)).ledger == load_ledger(path)


def test_a_stale_file_is_found_and_written(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "lab.yaml").write_text(support.shipped("lab").read_text(encoding="utf-8"), encoding="utf-8")
    names = {"environment.json", "environment.md", "controls.md", "drift.md", "lab.md", "lab.svg", "lab.csv", "lab.html"}
    assert {path.name for path in documents.write(tmp_path)} == names
    assert documents.stale(tmp_path) == []
    (tmp_path / "docs" / "environments" / "lab.svg").write_text("old", encoding="utf-8")
    assert [path.name for path in documents.stale(tmp_path)] == ["lab.svg"]


@pytest.mark.parametrize("name", support.SHIPPED)
def test_the_address_book_has_every_subnet_and_every_fixed_address_once(name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(addressbook.csv_text(planned(name)))))
    for region in planned(name).regions.values():
        here = [row["address"] for row in rows if row["region"] == region.name]
        assert len(here) == len(set(here))
        subnets = {s.cidr for layer in layers(region) for n in layer.networks for s in n.subnets}
        legs = {address for layer in layers(region) for r in layer.routers for leg in r.legs for _, address in leg.addresses}
        instances = {address for i in (region.access.bastion, *region.probes.instances) for _, address in i.addresses}
        assert set(here) == subnets | legs | instances
    if name == "national-cgc":
        assert {row["agency_code"] for row in rows if row["owner"] == "hanoi"} == {"LZ-P01"}


@pytest.mark.parametrize("name", support.SHIPPED)
def test_the_picture_is_well_formed_and_shows_every_tenant_and_zone(name: str) -> None:
    root = ElementTree.fromstring(diagram.svg(planned(name)))
    words = "\n".join(root.itertext())
    for region in planned(name).regions.values():
        for tenant in region.tenants.values():
            assert f"{tenant.code}, level {tenant.level}" in words
            assert tenant.name_vi in words
        for layer in layers(region):
            assert all(network.subnets[0].cidr in words for network in layer.networks)
    height = float(root.attrib["height"])
    assert all(
        float(box.attrib["y"]) + float(box.attrib["height"]) <= height
        for box in root.iter()
        if "y" in box.attrib and "height" in box.attrib
    )


@pytest.mark.parametrize("name", support.SHIPPED)
def test_the_flowchart_has_every_node_once(name: str) -> None:
    text = diagram.mermaid(planned(name))
    assert text.count("subgraph") == text.count("\n  end") == len(planned(name).regions)
    for region in planned(name).regions.values():
        for code in region.tenants:
            assert text.count(f'--- {region.name}_t_{code}["') == 1
        assert (f"{region.name}_inner" in text) == (len(region.network.routers) > 1)


def test_names_cannot_break_out_of_pages() -> None:
    hostile = with_tenants("lab", {"evil": {"name": {"vi": "</text><script>", "en": '<b>"&'}}})
    made = plan(hostile)
    for text in (diagram.svg(made), addressbook.html_text(made)):
        assert "<script>" not in text
        assert "<b>" not in text
    ElementTree.fromstring(diagram.svg(made))
