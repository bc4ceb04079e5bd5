"""Who hears what workers tell."""

from __future__ import annotations

from typing import Any

import pytest

from landing_zone.engine import crew
from landing_zone.engine.events import Task


class Gone:
    """A listener whose reader has gone: a closed pipe, which rich answers by leaving."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def begun(self, _: Task) -> None:
        raise self.error


class Queue:
    """What workers have told, to be taken one by one."""

    def __init__(self, *messages: Any) -> None:
        self.left = list(messages)

    def get(self) -> Any:
        return self.left.pop(0)


@pytest.mark.parametrize("error", [BrokenPipeError(), SystemExit(1)])
def test_what_workers_tell_is_taken_also_when_nobody_listens_any_more(error: BaseException) -> None:
    queue: Any = Queue(*[("begun", (Task("lab.north.identity", "up", 1),))] * 3, None)
    listener: Any = Gone(error)
    crew._hear(queue, listener)
    assert queue.left == []
