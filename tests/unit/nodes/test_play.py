"""What a run of the playbook says of itself."""

from __future__ import annotations

from tests.nodes.play import Run, grub_hash

OUTPUT = """
TASK [node_baseline : Keys] ****
ok: [node]

TASK [node_baseline : Journal] ****
changed: [node] => (item=a)
changed: [node] => (item=b)

RUNNING HANDLER [node_baseline : Restart the journal] ****
changed: [node]

PLAY RECAP ****
node                       : ok=3    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
"""


def test_changes_are_named_once_and_in_order() -> None:
    run = Run(OUTPUT, 1.0)
    assert run.good
    assert run.changes == ["node_baseline : Journal", "node_baseline : Restart the journal"]


def test_a_run_without_a_recap_failed() -> None:
    assert not Run("ERROR! no such file", 1.0).good


def test_a_failed_task_makes_a_run_fail() -> None:
    assert not Run(OUTPUT.replace("failed=0", "failed=1"), 1.0).good


def test_an_unreachable_node_failed() -> None:
    assert not Run(OUTPUT.replace("unreachable=0", "unreachable=1"), 1.0).good


def test_hashes_are_what_the_boot_loader_reads() -> None:
    words = grub_hash().split(".")
    assert words[:4] == ["grub", "pbkdf2", "sha512", "10000"]
    assert [len(word) for word in words[4:]] == [128, 128]
    assert grub_hash() != grub_hash()
