"""The kernel of the lab's instances where KVM is missing: User Mode Linux, built once from Debian's own source package.

The newest linux-source that Debian's backports or testing offers is fetched by apt in a root of its own (checked against
Debian's archive keyring; the host's apt configuration is not touched), patched with `kernel/patches`, configured by
`kernel/lab.config` and kept below the cache under a digest of all of that. Cached, a build needs no network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from foundation import digest, lock, programs, stopping
from foundation.errors import InputError, LzError, Problem, raise_all
from foundation.places import cache
from foundation.process import CommandFailed, run
from foundation.progress import Progress
from lab import debian

HERE = Path(__file__).resolve().parent / "kernel"
# Newer first: a source package leaves testing as soon as the next one enters.
SUITES = ("trixie-backports", "testing")
TOOLS = {
    "apt-get": "apt", "gcc": "gcc", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc", "xz": "xz-utils", "patch": "patch",
    "dpkg-deb": "dpkg", "ld": "binutils", "tar": "tar", "perl": "perl",
}  # fmt: skip
# What `lz lab up` installs or asks for on the host, beyond the programs above.
HOST_PACKAGES = (*sorted(set(TOOLS.values())), "libc6-dev", "debian-archive-keyring")
JOBS = 2
STOP_SECONDS = 1  # Ctrl-C ends the compiler, too, and we hear of it a moment later
PART = ".part"  # behind the name of a build that is not whole yet
PATIENCE = 2400  # seconds: twice what another run's build takes on two cores


@dataclass(frozen=True)
class KernelBuild:
    """path: the kernel, an executable file. version: of the Debian source package. digest: of all that went into it."""

    path: Path
    version: str
    digest: str


@dataclass(frozen=True)
class Source:
    """A Debian source package of the kernel: name (linux-source-X.Y) and version."""

    package: str
    version: str


def build(progress: Progress) -> KernelBuild:
    """Return the kernel, building it first if no build of these inputs is cached (10 to 20 minutes on two cores).

    Another run's build is waited for. Raises InputError when the host lacks a tool, BusyError when the other does not end in PATIENCE,
    LzError when no source could be built.
    """
    ready = find(cache("kernel"))
    if ready:
        return ready
    raise_all(missing_tools())
    with lock.exclusive(cache("kernel") / "build.lock", "a build of the instance kernel", PATIENCE, progress.say):
        return find(cache("kernel")) or _build(progress)


def inputs() -> str:
    """Digest of what this project puts into the kernel; the source package's version is not part of it."""
    return digest.of_trees([HERE])


def find(root: Path) -> KernelBuild | None:
    """The newest finished build of today's inputs below `root`, or None."""
    found = []
    for record in root.glob("*/build.json"):
        if record.parent.suffix == PART:
            continue
        data = json.loads(record.read_text())
        kernel = record.parent / "linux"
        if data["inputs"] == inputs() and kernel.exists():
            found.append((_order(data["package"]), KernelBuild(kernel, data["version"], record.parent.name)))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def missing_tools() -> list[Problem]:
    """One problem for each program or file that the build needs and the host lacks."""
    packages = programs.absent(TOOLS)
    if not Path("/usr/include/stdio.h").exists():
        packages.append("libc6-dev")
    if not debian.KEYRING.exists():
        packages.append("debian-archive-keyring")
    return programs.lacking("the host lacks what the instance kernel is built with", packages)


def newest_first(packages: Iterable[str]) -> list[str]:
    """The names of the form linux-source-X.Y among `packages`, highest version first."""
    return sorted({p for p in packages if re.fullmatch(r"linux-source-\d+\.\d+", p)}, key=_order, reverse=True)


def unmet(fragment: str, config: str) -> list[str]:
    """Lines of `fragment` that the finished `config` does not have: options that this kernel version no longer knows."""
    have = set(config.splitlines())

    def absent(line: str) -> bool:
        name, _, value = line.partition("=")
        return any(other.startswith(f"{name}=") for other in have) if value == "n" else line not in have

    return [line for line in fragment.splitlines() if line.startswith("CONFIG_") and absent(line)]


def compiled(log: Path) -> int:
    """How many files the compiler was given so far, by what make says of each."""
    return sum(line.startswith("  CC ") for line in log.read_text(errors="replace").splitlines())


def _order(package: str) -> tuple[int, ...]:
    return tuple(int(n) for n in package.removeprefix("linux-source-").split("."))


def _build(progress: Progress) -> KernelBuild:
    """Try the sources from the newest on: a new kernel may refuse a patch until this project has caught up."""
    work = cache("kernel") / "work"
    failures: list[Problem] = []
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        apt = _Apt(work / "apt")
        with progress.step("instance kernel: look for the newest source"):
            sources = apt.sources(progress)
        for source in sources:
            try:
                return _build_one(source, apt, work, progress)
            except CommandFailed as failed:
                stopping.pause(STOP_SECONDS)
                progress.say(f"{source.package} {source.version} could not be built, trying the one before", style="yellow")
                failures += failed.problems
    finally:
        shutil.rmtree(work, ignore_errors=True)
    raise LzError(*failures)


def _build_one(source: Source, apt: _Apt, work: Path, progress: Progress) -> KernelBuild:
    """Fetch, patch, configure, compile, check that it starts, and put it in its place."""
    whole = digest.of_texts(inputs(), source.package, source.version)
    log = cache("kernel") / f"{whole[:16]}.log"
    log.unlink(missing_ok=True)
    tree, out = work / source.package, work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with progress.step(f"instance kernel: fetch and unpack {source.package} {source.version}"):
        _unpack(apt.download(source), work)
    for patch in sorted((HERE / "patches").glob("*.patch")):
        run(["patch", "--strip=1", "--batch", f"--directory={tree}", f"--input={patch}"], log=log)
    make = [*debian.ENDS_WITH_US, "nice", "-n", "10", "make", f"--directory={tree}", "ARCH=um", f"O={out}", f"--jobs={JOBS}"]
    # The same input gives the same file: no user, host or time of this build goes in.
    env = {"KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "lab", "KBUILD_BUILD_TIMESTAMP": "1970-01-01", "LC_ALL": "C"}
    fragment = Path(shutil.copy(HERE / "lab.config", work))  # merge_config.sh ends a name at a space, which a checkout's may have
    with progress.step("instance kernel: compile (the longest step of a first run)"):
        run([*make, "defconfig"], log=log, env=env)
        run([tree / "scripts/kconfig/merge_config.sh", "-m", "-O", out, out / ".config", fragment], log=log, cwd=tree, env=env)
        run([*make, "olddefconfig"], log=log, env=env)
        dropped = unmet(fragment.read_text(), (out / ".config").read_text())
        if dropped:
            progress.say(f"this kernel does not have: {', '.join(dropped)}", style="yellow")
        with progress.beating(lambda: f"{compiled(log)} files of the instance kernel compiled"):
            run([*make, "linux"], log=log, env=env, cure=f"look at {log}")
    run([out / "linux", "--version"], log=log)
    return _keep(out / "linux", source, whole)


def _keep(kernel: Path, source: Source, whole: str) -> KernelBuild:
    """Put the finished kernel below the cache in one step: a killed run leaves nothing that looks finished."""
    part = cache("kernel") / f"{whole}{PART}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    run(["strip", "--output-target=elf64-x86-64", "-o", part / "linux", kernel])
    (part / "linux").chmod(0o755)
    (part / "build.json").write_text(json.dumps({**asdict(source), "inputs": inputs()}))
    home = part.with_suffix("")
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    return KernelBuild(home / "linux", source.version, whole)


def _unpack(package: Path, target: Path) -> None:
    """Unpack the source archive inside a .deb without writing the archive itself (160 MB) to disk."""
    member = run(["bash", "-o", "pipefail", "-c", 'dpkg-deb --fsys-tarfile "$0" | tar --list', package])
    archive = next((m for m in member.splitlines() if m.endswith(".tar.xz")), None)
    if archive is None:
        raise LzError(Problem(f"{package.name} holds no source archive", cure="report it: Debian's package has changed its form"))
    script = 'dpkg-deb --fsys-tarfile "$0" | tar -x --to-stdout "$1" | xz --decompress --stdout --threads=2 | tar -x --directory="$2"'
    run(["bash", "-o", "pipefail", "-c", script, package, archive, target])


class _Apt:
    """apt in a root of its own, with one Debian mirror and the settings for proxies taken from the host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("etc/preferences.d", "state/lists/partial", "cache/archives/partial", "empty"):
            (root / folder).mkdir(parents=True)
        (root / "status").touch()
        mirror = os.environ.get(debian.MIRROR) or "http://deb.debian.org/debian"
        lines = [f"deb [signed-by={debian.KEYRING}] {mirror} {suite} main" for suite in SUITES]
        (root / "sources.list").write_text("\n".join(lines) + "\n")
        settings = {
            "Dir::Etc::Parts": root / "empty", "Dir::Etc::SourceList": root / "sources.list", "Dir::Etc::SourceParts": root / "empty",
            "Dir::Etc::Preferences": root / "empty/none", "Dir::Etc::PreferencesParts": root / "etc/preferences.d",
            "Dir::State": root / "state", "Dir::State::Status": root / "status", "Dir::Cache": root / "cache",
            "APT::Architecture": "amd64", "APT::Architectures": "amd64", "APT::Sandbox::User": "root", "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }  # fmt: skip
        # Only Acquire (proxies, certificates): hooks in the host's configuration would act on the host.
        acquire = run(["apt-config", "dump", "Acquire"]).replace('Acquire "";\n', "")
        (root / "apt.conf").write_text(acquire + "".join(f'{name} "{value}";\n' for name, value in settings.items()))
        self.env = {"APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}

    def sources(self, progress: Progress) -> list[Source]:
        """Every kernel source that the suites offer, newest first; a suite that cannot be used is left out.

        Raises InputError when there is none, CommandFailed when that is for want of a suite.
        """
        refused: CommandFailed | None = None
        try:
            self._apt(["apt-get", "--error-on=any", "update"])
        except CommandFailed as error:
            stopping.pause(STOP_SECONDS)
            refused = error
        found = self._apt(["apt-cache", "--names-only", "search", "^linux-source-[0-9.]+$"])
        names = newest_first(line.split(" - ")[0] for line in found.splitlines())
        if not names:
            raise refused or InputError(
                Problem("the Debian mirror has no linux-source package", why=f"looked in {', '.join(SUITES)}", cure=MIRROR_CURE)
            )
        if refused:
            progress.say(f"not all of {', '.join(SUITES)} could be read, going on with what could: {refused}", style="yellow")
        return [Source(name, self._candidate(name)) for name in names]

    def download(self, source: Source) -> Path:
        """Fetch the package, verified by apt against the signed lists."""
        target = self.root / "cache"
        self._apt(["apt-get", "download", f"{source.package}={source.version}"], cwd=target)
        return next(target.glob(f"{source.package}_*.deb"))

    def _candidate(self, package: str) -> str:
        shown = self._apt(["apt-cache", "--no-all-versions", "show", package])
        return next(line.split(": ", 1)[1] for line in shown.splitlines() if line.startswith("Version: "))

    def _apt(self, command: Sequence[str], cwd: Path | None = None) -> str:
        return run(command, env=self.env, cwd=cwd, timeout=900, cure=MIRROR_CURE)


MIRROR_CURE = f"check that the Debian mirror answers (${debian.MIRROR}, else deb.debian.org), then run again"
