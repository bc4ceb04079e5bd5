"""What the engine says becomes counts and problems that a person can act on."""

from __future__ import annotations

import pytest
from pulumi.automation.events import EngineEvent

from foundation.errors import Problem
from landing_zone.engine.events import NEXT_STEP, Tally, Task, Tick, is_cloud_resource, name_of, passes, problems_in

URN = "urn:pulumi:lab.north.network::landing-zone::lz:network:Network$openstack:networking/network:Network::lab-edu"
COMPONENT = "urn:pulumi:lab.north.network::landing-zone::lz:network:Network::lab-edu"
QUOTA = (
    "sdk-v2/provider2.go:571: sdk.helper_schema: Error creating openstack_networking_network_v2: Expected HTTP response code [201 202]"
    " when accessing [POST https://cloud/v2.0/networks], but got 409 instead:"
    ' {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [\'network\'].", "detail": ""}}'
)


class Ear:
    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def begun(self, task: Task) -> None:
        pass

    def ticked(self, tick: Tick) -> None:
        self.ticks.append(tick)

    def ended(self, stack: str, good: bool, seconds: float) -> None:
        pass


def step(kind: str, urn: str, op: str, planning: bool = False) -> EngineEvent:
    return EngineEvent.from_json(
        {"sequence": 1, "timestamp": 1, kind: {"planning": planning, "metadata": {"op": op, "urn": urn, "type": "t", "diffs": ["tags"]}}}
    )


def error(message: str, urn: str = URN) -> EngineEvent:
    return EngineEvent.from_json(
        {"sequence": 1, "timestamp": 1, "diagnosticEvent": {"message": message, "color": "never", "severity": "error", "urn": urn}}
    )


def test_only_cloud_resources_are_counted_and_each_once() -> None:
    ear = Ear()
    tally = Tally("lab.north.network", "log", 2, ear)
    for event in (
        step("resOutputsEvent", COMPONENT, "create"),
        step("resOutputsEvent", URN, "create"),
        step("resOutputsEvent", URN, "create"),
        step("resOutputsEvent", URN + "2", "same"),
        step("resOutputsEvent", URN + "3", "refresh"),
    ):
        tally.hear(event)
    assert tally.changes == {"create": 1, "same": 1}
    assert tally.resources == 2
    assert tally.details == ["create network lab-edu (tags)"]
    assert [(tick.done, tick.total, tick.current) for tick in ear.ticks] == [(1, 2, "network lab-edu"), (2, 2, "network lab-edu2")]


def test_a_replacement_counts_once() -> None:
    tally = Tally("s", "log")
    for op in ("create-replacement", "replace", "delete-replaced"):
        tally.hear(step("resourcePreEvent", URN, op, planning=True))
    assert tally.changes == {"replace": 1}


def test_a_state_only_change_is_a_change() -> None:
    tally = Tally("s", "log")
    tally.hear(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "summaryEvent": {"resourceChanges": {"same": 3, "create": 1}}}))
    assert tally.anything
    tally.hear(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "summaryEvent": {"resourceChanges": {"same": 4, "read": 1}}}))
    assert not tally.anything


def test_an_error_is_the_clouds_own_message_with_place_and_cure_and_is_told_once() -> None:
    tally = Tally("lab.north.network", "/log")
    tally.hear(error(f"<{{%reset%}}>{QUOTA}: provider=openstack@5.5.3<{{%reset%}}>"))
    tally.hear(error(f"1 error occurred:\n\t* creating {URN}: 1 error occurred:\n\t* {QUOTA.partition('helper_schema: ')[2]}\n\n"))
    tally.hear(error("update failed"))
    assert len(tally.problems) == 1
    problem = tally.problems[0]
    assert problem.what == "Quota exceeded for resources: ['network']."
    assert problem.where == "stack lab.north.network, network lab-edu\nlog /log"
    assert "POST https://cloud/v2.0/networks" in problem.why
    assert problem.cure.startswith("raise the project's quota")


def test_too_many_routes_for_neutron_are_told_with_the_setting_that_lets_them_in() -> None:
    """No call tells the limit, so that preflight cannot."""
    said = '{"NeutronError": {"message": "Unable to complete operation for r1. The number of routes exceeds the maximum 30."}}'
    (problem,) = problems_in(f"Error updating router r1: Expected HTTP response code [200], but got 400 instead: {said}", "stack s")
    assert problem.what == "Unable to complete operation for r1. The number of routes exceeds the maximum 30."
    assert "`max_routes`" in problem.cure


def test_own_problems_come_through_as_they_were_written() -> None:
    own = [Problem("first", "here\nand there", "because", "do this"), Problem("second", "elsewhere")]
    found = problems_in("\n".join(map(str, own)), "stack s")
    assert found == [
        Problem("first", "here\nand there\nstack s", "because", "do this"),
        Problem("second", "elsewhere\nstack s", "", NEXT_STEP),
    ]


def test_a_traceback_is_cut_to_its_last_line() -> None:
    text = "it broke\nTraceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'ids'"
    assert problems_in(text, "stack s") == [Problem("it broke", "stack s", "KeyError: 'ids'", NEXT_STEP)]


def test_names_of_resources() -> None:
    assert is_cloud_resource(URN)
    assert not is_cloud_resource(COMPONENT)
    assert not is_cloud_resource("urn:pulumi:s::landing-zone::pulumi:pulumi:Stack::landing-zone-s")
    assert not is_cloud_resource("")
    assert name_of(URN) == "network lab-edu"


CREATE = "Error creating openstack_networking_network_v2: "
ANSWER = CREATE + "Expected HTTP response code [201 202] when accessing [POST https://cloud/v2.0/networks], but got {} instead: {}"
RESET = CREATE + (
    'Post "https://cloud/v2.0/networks": OpenStack connection error, retries exhausted. Aborting. Last error was: '
    "http: ContentLength=146 with Body length 0"
)


def failed(urn: str = URN, op: str = "create") -> EngineEvent:
    new = {"type": "openstack:networking/network:Network", "urn": urn, "inputs": {"name": "lab-edu"}}
    return EngineEvent.from_json(
        {"sequence": 1, "timestamp": 1, "resOpFailedEvent": {"metadata": {"op": op, "urn": urn, "type": "t", "new": new}}}
    )


@pytest.mark.parametrize(
    ("message", "doubtful"),
    [
        (ANSWER.format(409, "{}"), False),
        (ANSWER.format(429, ""), False),
        (ANSWER.format(408, ""), True),
        (ANSWER.format(500, ""), True),
        (ANSWER.format(504, ""), True),
        (RESET, True),
        (ANSWER.format(404, "").replace("POST", "GET"), True),
    ],
)
def test_a_creation_without_a_clear_no_perhaps_made_something(message: str, doubtful: bool) -> None:
    tally = Tally("s", "log")
    tally.hear(error(message))
    tally.hear(failed())
    assert [(doubt.urn, dict(doubt.inputs)) for doubt in tally.doubts] == ([(URN, {"name": "lab-edu"})] if doubtful else [])


def test_a_failed_change_or_removal_made_nothing() -> None:
    tally = Tally("s", "log")
    for event in (error(RESET), failed(op="update"), failed(op="delete"), failed(COMPONENT)):
        tally.hear(event)
    assert tally.doubts == []


OF_A_QUOTA = (
    "Error creating openstack_networking_quota_v2: Expected HTTP response code [200] when accessing"
    " [PUT https://cloud/v2.0/quotas/0a1b], but got 503 instead: "
)


@pytest.mark.parametrize("message", [RESET, OF_A_QUOTA, *(ANSWER.format(code, "") for code in (409, 429, 500, 502, 503, 504))])
def test_what_passes_by_itself(message: str) -> None:
    assert passes(message)


@pytest.mark.parametrize("message", [QUOTA, ANSWER.format(403, ""), ANSWER.format(409, "Duplicate Zone"), "status ERROR"])
def test_what_does_not_pass_by_itself(message: str) -> None:
    assert not passes(message)


def test_one_failure_that_lasts_makes_all_of_them_last() -> None:
    tally = Tally("s", "log")
    seen = [tally.passing]
    for message in (RESET, QUOTA):
        tally.hear(error(message))
        seen.append(tally.passing)
    assert seen == [False, True, False]


def test_a_lost_connection_and_a_gateways_page_are_told_in_plain_words() -> None:
    lost, page = (
        problems_in(RESET, "s")[0],
        problems_in(ANSWER.format(503, "<html><body><h1>503 Service Unavailable</h1></body></html>"), "s")[0],
    )
    assert lost.what.endswith("the connection was lost before the cloud answered")
    assert "half made is found and removed first" in lost.cure
    assert page.what.endswith("but got 503 instead: 503 Service Unavailable")
    assert "lz lab doctor" in page.cure


def test_an_echo_of_a_failure_is_no_problem_and_keeps_nobody_from_another_try() -> None:
    tally = Tally("s", "/log")
    tally.hear(error(QUOTA.replace("OverQuota", "Conflict").replace("Quota exceeded", "Busy")))
    tally.hear(error("Exception calling application: invalid state"))
    assert (len(tally.problems), tally.passing) == (1, True)
