"""Write a region's configuration into the tree of its machine: templates under `config/`, owners and modes, certificates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from foundation import files
from foundation.process import run
from lab.daemons import UWSGI_APPS
from lab.settings import CODE, OPENSTACK, SERVICES, Region

CONFIG = CODE / "config"


def templates(region: Region, secrets: Mapping[str, str]) -> dict[str, str]:
    """Path inside the machine -> text, for every configuration file of the region."""
    jinja = Environment(  # noqa: S701 - configuration files, not HTML
        loader=FileSystemLoader(CONFIG), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    values = {"region": region, "s": secrets, "services": SERVICES, "host": region.name}
    texts = {}
    for file in sorted(CONFIG.rglob("*")):
        name = file.relative_to(CONFIG).as_posix()
        if file.is_file() and not name.startswith("_"):
            texts[name] = jinja.get_template(name).render(values).lstrip("\n")
    for app in UWSGI_APPS:
        texts[f"etc/lab-uwsgi/{app.unit}.ini"] = jinja.get_template("_uwsgi.ini").render(app=app)
    texts["etc/hostname"] = f"{region.name}\n"
    texts["etc/hosts"] = f"127.0.0.1 localhost {region.name}\n::1 ip6-localhost\n"
    texts["etc/openvswitch/system-id.conf"] = f"{region.name}\n"  # before OVS starts first, else it takes another one at each start
    return texts


def write(root: Path, region: Region, secrets: Mapping[str, str], certificate: str) -> None:
    """Write everything that belongs to `region`; safe to repeat. Secrets are readable by root and the service's group only."""
    for name, text in templates(region, secrets).items():
        _put(root, name, text, executable=name.startswith("usr/local/sbin/"))
    for group in OPENSTACK:
        _give(root, f"etc/{group}", user="root", group=group, mode=0o640)
    _give(root, "etc/lab-uwsgi", user="root", group="root", mode=0o644)
    _give(root, "etc/rabbitmq", user="rabbitmq", group="rabbitmq", mode=0o640)
    _put(root, "etc/haproxy/lab.pem", certificate, mode=0o600)
    chain, key = _split_pem(certificate)
    _put(root, "etc/bind/tls.crt", chain, mode=0o644)
    _put(root, "etc/bind/tls.key", key, mode=0o640)
    _name_server_keys(root)
    _fernet_keys(root)
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    _put(root, "etc/resolv.conf", "nameserver 127.0.0.1\n")
    (root / "etc/machine-id").write_text("")


def _split_pem(bundle: str) -> tuple[str, str]:
    certificate, key, authority = (f"-----BEGIN {part}" for part in bundle.split("-----BEGIN ")[1:])
    return certificate + authority, key


def _name_server_keys(root: Path) -> None:
    """One rndc key that BIND and Designate's worker share."""
    key = root / "etc/bind/rndc.key"
    if not key.exists() or not key.stat().st_size:
        run(["chroot", root, "rndc-confgen", "-a", "-A", "hmac-sha256", "-k", "rndc-key"])
    _put(root, "etc/designate/rndc.key", key.read_text())
    _give(root, "etc/designate/rndc.key", user="root", group="designate", mode=0o640)
    for name in ("etc/bind/rndc.key", "etc/bind/tls.key", "etc/bind/tls.crt"):
        _give(root, name, user="bind", group="bind", mode=0o640)


def _fernet_keys(root: Path) -> None:
    """Keystone's token and credential keys, in the layout that its own set-up makes: 0 is staged, 1 is primary."""
    for folder in ("fernet-keys", "credential-keys"):
        place = root / "etc/keystone" / folder
        place.mkdir(exist_ok=True)
        for number in ("0", "1"):
            if not (place / number).exists():
                _put(root, f"etc/keystone/{folder}/{number}", Fernet.generate_key().decode())
        _give(root, f"etc/keystone/{folder}", user="keystone", group="keystone", mode=0o600)


def _put(root: Path, name: str, text: str, *, mode: int = 0o640, executable: bool = False) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith(("etc/systemd", "etc/mysql", "etc/haproxy/haproxy", "etc/bind/named", "etc/host", "etc/resolv", "etc/openvswitch")):
        mode = 0o644
    files.replace(file, text, 0o755 if executable else mode)


def _ids(root: Path, table: str) -> dict[str, int]:
    lines = (root / "etc" / table).read_text().splitlines()
    return {line.split(":")[0]: int(line.split(":")[2]) for line in lines if line}


def _give(root: Path, name: str, *, user: str, group: str, mode: int) -> None:
    """Give a file, or a folder with all below it, to a user and group of the machine."""
    uid, gid = _ids(root, "passwd")[user], _ids(root, "group")[group]
    top = root / name
    for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
        if path.is_symlink():
            continue
        os.chown(path, uid, gid)
        path.chmod(mode | (mode & 0o444) >> 2 if path.is_dir() else mode)  # whoever may read a folder may enter it
