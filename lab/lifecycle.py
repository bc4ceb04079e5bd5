"""The whole lab: up, down, reset; one at a time on a machine, found by every checkout."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from foundation import digest, files, lock, scs, stopping
from foundation.errors import InputError, LzError, Problem, raise_all
from foundation.progress import Progress
from foundation.shell import told
from lab import cloud, health, hostnet, image, pki, region, requirements, snapshot, trees
from lab.compute import choose, kernel
from lab.debian import remove_tree
from lab.machine import Machine, forget_folders
from lab.settings import CODE, REGIONS, Places, Region, places

BUSY = "a change of the lab"
LAYERS = ("base", "seed")  # folders of trees made of packages
LOOKING = {"cli.py", "doctor.py", "ports.py", "census.py", "requirements.py", "__pycache__"}
SHAPING = (scs, files)  # modules outside lab/ that the lab has values of: properties of its image, modes of its files


@dataclass(frozen=True)
class Standing:
    """What the marker file says of the lab that stands. code: digest of the lab's code and pins that made it."""

    code: str
    regions: tuple[str, ...]
    compute: str


OF_OTHER_CODE = Problem("the lab was made by other code than this checkout's", cure="run `lz lab up` to rebuild it")


def code_digest() -> str:
    """Digest of everything that shapes the lab; what only looks at it may change without a new one."""
    return digest.of_trees([*(path for path in CODE.iterdir() if path.name not in LOOKING), *(Path(str(m.__file__)) for m in SHAPING)])


def standing(where: Places) -> Standing | None:
    """The lab that stands on this machine, whoever made it; None when there is none."""
    try:
        data = json.loads(where.marker.read_text())
        return Standing(data["code"], tuple(data["regions"]), data["compute"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def running(where: Places) -> tuple[Region, ...]:
    """Regions whose machine runs."""
    return tuple(entry for entry in REGIONS.values() if region.machine_of(where, entry).leader())


def require_running(where: Places) -> tuple[Region, ...]:
    """Regions whose machine runs; InputError when none does."""
    found = running(where)
    if not found:
        raise InputError(Problem("no lab is running on this machine", cure="run `lz lab up`"))
    return found


def require_fit(names: Sequence[str], compute_kind: str) -> None:
    """InputError with all that keeps these regions from this machine, beside those that stand."""
    where = places()
    unknown = [name for name in names if name not in REGIONS]
    problems = [Problem(f"there is no region {name!r}", cure=f"one of {', '.join(REGIONS)}") for name in unknown]
    known_names = [name for name in REGIONS if name in names]
    raise_all([*problems, *requirements.missing(where, known_names, _staying(standing(where), compute_kind))])


def up(names: Sequence[str], compute_kind: str, progress: Progress) -> Standing:
    """Bring up the named regions side by side, from whatever is cached.

    A lab made by other code is taken down first. When the making of a region fails, what was made is taken down again and the
    logs of the machines are kept. Raises InputError before any change when this machine is not fit.
    """
    where = places()
    require_fit(names, compute_kind)
    known_names = [name for name in REGIONS if name in names]
    with lock.exclusive(where.lock, BUSY), files.for_everybody():
        known = standing(where)
        stood = _staying(known, compute_kind)
        kind = known.compute if known and stood and compute_kind == "auto" else choose.choose(compute_kind)
        if known and not stood:
            gone, made = (", ".join(each) for each in (known.regions, known_names))
            progress.say(
                f"the lab that stands ({gone}) was made by other code or for another compute kind: it goes, and {made} is made anew"
            )
        if not stood:  # of what an ended run left nobody knows whether it is whole, and which code made it
            _remove_all(where)
        wanted = tuple(name for name in REGIONS if name in {*names, *stood})
        try:
            return _bring_up(where, wanted, kind, progress)
        except BaseException:
            try:
                _take_back(where, [REGIONS[name] for name in wanted if name not in stood])
                if stood:
                    region.sign_in(where)
                else:
                    _remove_all(where)
            except LzError as failed:  # told beside what it was for, which is the one to be cured
                for problem in failed.problems:
                    progress.say(f"what was made is not all gone: {told(problem)}", style="yellow")
            raise


def _staying(known: Standing | None, compute_kind: str) -> tuple[str, ...]:
    """Regions that stand and stay beside what `up` brings: no rebuild takes them away before."""
    stays = known and known.code == code_digest() and compute_kind in ("auto", known.compute)
    return known.regions if known and stays else ()


def _bring_up(where: Places, names: tuple[str, ...], kind: str, progress: Progress) -> Standing:
    where.logs.mkdir(parents=True, exist_ok=True)
    chosen = [REGIONS[name] for name in names]
    pki.ensure_authority(where.ca, where.root / "ca.key")
    with ThreadPoolExecutor(1) as beside, stopping.heard_by_all(progress.say):
        # Compiled beside all else: from nothing it takes longest, and a region needs it last.
        compiled = beside.submit(kernel.build, progress) if kind == "uml" else None
        try:
            using = _ingredients(where, kind, compiled, progress)
            for entry in chosen:
                if snapshot.unfinished(region.machine_of(where, entry)):
                    progress.say(f"{entry.name}: its reset was broken off, so it is made anew")
            secrets = region.lay_ground(where, chosen)
            _side_by_side([partial(region.bring_up, where, entry, secrets[entry.name], using, progress) for entry in chosen], progress)
        except LzError as failed:
            if compiled and not compiled.done():
                for problem in failed.problems:
                    progress.say(told(problem), style="red")
                progress.say("the instance kernel is compiled to its end, for the next run; Ctrl-C ends that, too")
                wait([compiled])  # here, where Ctrl-C is heard by all
            raise
    made = Standing(code_digest(), names, kind)
    files.replace(where.marker, json.dumps(asdict(made), indent=1), 0o644)
    return made


def _ingredients(where: Places, kind: str, compiled: Future[kernel.KernelBuild] | None, progress: Progress) -> region.Ingredients:
    seeds: list[Path] = []
    images: list[image.GuestImage] = []
    base = trees.ensure_base(where, progress)  # before the image: both take packages into the same folder, which one at a time may do
    _side_by_side([lambda: seeds.append(trees.ensure_seed(where, base, progress)), lambda: images.append(image.build(progress))], progress)
    return region.Ingredients((seeds[0], base), kind, compiled, images[0])


def _side_by_side(lanes: Sequence[Callable[[], object]], progress: Progress) -> None:
    """Run all to their end, then raise the first error, or Ctrl-C: nobody is left working behind our back."""
    with ThreadPoolExecutor(len(lanes)) as pool, stopping.heard_by_all(progress.say):
        futures = [pool.submit(lane) for lane in lanes]
        wait(futures)
    for future in futures:
        future.result()


def down(progress: Progress, *, keep: bool = False) -> None:
    """Take the lab away, whoever made it. keep: clean shutdown, and everything stays on disk for a warm start.

    Raises InputError when one stands in another cache: only its machines would go, and all else of it stay.
    """
    where = places()
    with lock.exclusive(where.lock, BUSY):
        raise_all(requirements.elsewhere(where))
        if keep:
            with progress.step("shutdown"):
                _side_by_side([partial(region.stop, where, entry) for entry in REGIONS.values()], progress)
        else:
            with progress.step("removal"):
                _remove_all(where)


def forget_layers() -> None:
    """Remove every base tree and seed, so that the next `up` begins from cached packages. The lab must be down."""
    where = places()
    with lock.exclusive(where.lock, BUSY):
        for folder in LAYERS:
            remove_tree(where.root / folder)


def _remove_all(where: Places) -> None:
    where.marker.unlink(missing_ok=True)
    for entry in REGIONS.values():
        region.remove(where, entry)
    Machine("lz-seed", where.root / "seed" / "build", (), trees.SEED_REGION.netns).destroy()
    hostnet.remove_namespace(trees.SEED_REGION.netns)
    hostnet.forget_range()
    forget_folders()
    for folder in LAYERS:
        remove_tree(where.root / (folder + files.GONE))  # a killed `down --layers` left it: some gigabytes that nobody else would miss
    for file in (where.clouds, where.ca, where.root / "ca.key"):
        file.unlink(missing_ok=True)


def _take_back(where: Places, regions: Sequence[Region]) -> None:
    """Take away the regions that a failed run made; what stood before is not ours to take away."""
    for entry in regions:
        _keep_logs(where, entry)
        region.remove(where, entry)


def _keep_logs(where: Places, entry: Region) -> None:
    """Copy what a machine logged out of it before it goes, as far as there is room for it and its programs let it lie."""
    machine = region.machine_of(where, entry)
    kept = where.logs / f"failed-{entry.name}"
    shutil.rmtree(kept, ignore_errors=True)
    with contextlib.suppress(OSError):
        if (machine.upper / "var/log").is_dir():
            shutil.copytree(machine.upper / "var/log", kept, symlinks=True, ignore_dangling_symlinks=True)
        if (machine.home / "bootstrap.log").exists():
            kept.mkdir(exist_ok=True)
            shutil.copy(machine.home / "bootstrap.log", kept)


def reset(progress: Progress) -> None:
    """Bring every running region back to the state right after `up`."""
    where = places()
    chosen = require_running(where)
    with lock.exclusive(where.lock, BUSY):
        missing = [entry.name for entry in chosen if not (where.region(entry) / "snapshot").is_dir()]
        if missing:
            raise LzError(Problem(f"no snapshot of {', '.join(missing)}", cure="run `lz lab down`, then `lz lab up`"))

        def one(entry: Region) -> None:
            with progress.step(f"{entry.name}: reset"):
                snapshot.restore(region.machine_of(where, entry))
                health.await_region(entry, where, cloud.connect(entry, where))

        _side_by_side([partial(one, entry) for entry in chosen], progress)
