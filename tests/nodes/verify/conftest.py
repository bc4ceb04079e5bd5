"""What Molecule's verifier runs: files of one folder, against the node of one scenario."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from foundation.progress import Progress
from tests.nodes.node import Node, find

if "MOLECULE_FILE" not in os.environ:  # then there is no node to look at
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def one() -> Node:
    """The scenario's node; tests leave it as they found it."""
    scenario = yaml.safe_load(Path(os.environ["MOLECULE_FILE"]).read_text())
    return find(scenario["platforms"][0]["name"], Progress())
