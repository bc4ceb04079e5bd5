"""Run jobs side by side, each after those that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


def run(
    needs: Mapping[Key, frozenset[Key]],
    job: Callable[[Key], Result],
    width: int,
    good: Callable[[Result], bool] = lambda _: True,
) -> dict[Key, Result]:
    """Run `job` for every key, at most `width` at once, each after all keys in its `needs` that are among the keys.

    A key whose needs did not all end well (`good`) is left out of the result, and so is all that needs it. An exception
    of a job is raised once the jobs under way have ended. Keys start in their given order wherever there is a choice.
    """
    waiting = dict(needs)
    results: dict[Key, Result] = {}
    under_way: dict[Future[Result], Key] = {}
    with ThreadPoolExecutor(max_workers=width) as pool:
        while waiting or under_way:
            free = width - len(under_way)
            ready = [key for key, needed in waiting.items() if all(other not in needs or _ended(results, other, good) for other in needed)]
            for key in ready[: max(free, 0)]:
                del waiting[key]
                under_way[pool.submit(job, key)] = key
            if not under_way:
                break
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                results[under_way.pop(future)] = future.result()
    return results


def _ended(results: Mapping[Key, Result], key: Key, good: Callable[[Result], bool]) -> bool:
    return key in results and good(results[key])
