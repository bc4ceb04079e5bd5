"""Entries of clouds.yaml: found, read, and tried before anything is made, with one clear problem for each that does not work."""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import openstack
import requests
import yaml
from keystoneauth1 import exceptions as ksa
from keystoneauth1.session import Session, TCPKeepAliveAdapter
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.identity.v3 import _proxy as identity_v3
from requests.utils import get_environ_proxies, select_proxy

from foundation import proxies
from foundation.errors import InputError, Problem, raise_all
from foundation.places import cache_root

VARIABLE = "OS_CLIENT_CONFIG_FILE"
TIMEOUT = 20.0  # seconds for one answer
KNOCK = 10.0  # seconds for a connection and for its TLS: no service's work; a lost packet is sent again after 1, 3 and 7 s
CONNECT_RETRIES = 3  # how often a call is made again that got no answer
STATUS_RETRIES = 4  # or one of PASSING; what changes something only after 503, since otherwise it may have been done
SIGN_IN_PAUSES = (1.0, 3.0)  # seconds before the second and third try
NO_ANSWER = "the cloud does not answer"
SILENCE = "nothing comes back from the cloud, not even a refusal"
EXPIRED = "the cloud's certificate has expired"
OVER = "the authority in the entry's `cacert` has expired"
OVER_CURE = "let `cacert` name the cloud's new one (the lab: lz lab down, then lz lab up), and check the clock of this machine"
ILL = "the cloud's identity service is ill, or takes no more calls for now"
READING = ("GET", "HEAD")  # methods that change nothing
PASSING = (502, 503, 504)  # answers of what stands before a service, when the service broke a connection or did not answer in time
LAB_NETWORK = "198.18.0.0/15"


@dataclass(frozen=True)
class Cloud:
    """One entry: where its Keystone is and the authority that signed its certificates (PEM text; None: the system's)."""

    name: str
    auth_url: str
    ca: str | None


def places() -> tuple[Path, ...]:
    """Files that may have the entries, in the order in which they are looked at; the lab's comes last."""
    named = os.environ.get(VARIABLE)
    if named:
        return (Path(named).absolute(),)  # programs and plugins that read it stand in folders of their own
    usual = (Path("clouds.yaml"), Path.home() / ".config/openstack/clouds.yaml", Path("/etc/openstack/clouds.yaml"))
    return (*(path.absolute() for path in usual), cache_root() / "lab" / "clouds.yaml")


def use(names: Iterable[str]) -> dict[str, Cloud]:
    """The entries of these names; see `find`. Raises InputError with all that is wrong with any."""
    found = find(names)
    raise_all(dict.fromkeys(one for one in found.values() if isinstance(one, Problem)))
    return {name: one for name, one in found.items() if isinstance(one, Cloud)}


def find(names: Iterable[str]) -> dict[str, Cloud | Problem]:
    """Each entry of these names, or what is wrong with it, all out of one file; the file is set for every later reader in this process."""
    wanted = sorted(set(names))
    try:
        path, entries = _best(wanted)
    except InputError as error:
        return dict.fromkeys(wanted, error.problems[0])
    os.environ[VARIABLE] = str(path)
    past_proxies()
    return {name: _entry(name, entries, path) for name in wanted}


def _best(wanted: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """The file that has most of the wanted entries, and its entries. InputError when there is none, or one cannot be read."""
    files = [path for path in places() if path.is_file()]
    if not files:
        raise InputError(
            Problem(
                "no clouds.yaml was found",
                where="\n".join(str(path) for path in places()),
                cure=f"bring the lab up (lz lab up), or point {VARIABLE} to your own file",
            )
        )
    entries = {path: _read(path) for path in files}
    best = max(files, key=lambda path: (len([name for name in wanted if name in entries[path]]), -files.index(path)))
    return best, entries[best]


def past_proxies() -> None:
    """Keep calls to the lab away from a proxy that the machine may use for the outside."""
    os.environ.update(proxies.past(LAB_NETWORK))


def try_out(regions: Iterable[tuple[str, Cloud]]) -> dict[str, Connection]:
    """Sign in to each (region, cloud), side by side. Raises InputError with every one that refuses, and why."""
    results = try_each(regions)
    raise_all(result for result in results.values() if isinstance(result, Problem))
    return {region: result for region, result in results.items() if isinstance(result, Connection)}


def try_each(
    regions: Iterable[tuple[str, Cloud]], called: Mapping[str, str] | None = None, *, once: bool = False
) -> dict[str, Connection | Problem]:
    """Sign in to each (region, cloud), side by side: by region the connection, or why there is none.

    called: what its cloud calls a region, where that is not its name.
    once: what gets no answer is not asked again, now or later by that connection; for who would rather know soon.
    """
    asked = list(regions)
    names = called or {}
    places = [(names.get(region, region), cloud) for region, cloud in asked]
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        results = list(pool.map(lambda one: _sign_in(*one, once=True) if once else _signed_in(*one), places))
    return {region: result for (region, _), result in zip(asked, results, strict=True)}


def connect(cloud: Cloud, region: str, *, once: bool = False, **credentials: str) -> Connection:
    """A connection as the entry's own account, or as another one (username, password, project_name, *_domain_name).

    once: see `try_each`.
    """
    options: dict[str, Any] = {
        "region_name": region,
        "api_timeout": TIMEOUT,
        "connect_retries": 0 if once else CONNECT_RETRIES,
        "status_code_retries": 0 if once else STATUS_RETRIES,
    }
    files = [] if credentials else [os.environ[VARIABLE]]
    if credentials:
        options["auth"] = {"auth_url": cloud.auth_url, **credentials}
        if cloud.ca:
            options["cacert"] = str(Path(_setting(cloud.name, "cacert")).expanduser())
    else:
        options["cloud"] = cloud.name
    loader = OpenStackConfig(config_files=files, secure_files=[], vendor_files=[], load_envvars=False, session_constructor=_Session)
    return Connection(config=loader.get_one(**options))


class _Knocking(TCPKeepAliveAdapter):
    """Waits for a connection as long as KNOCK says, and for its answer as long as it is told to."""

    def send(  # as the library has it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """RequestException, which nobody repeats, when there is no connection by then."""
        try:
            return super().send(request, stream, (KNOCK, timeout), verify, cert, proxies)
        except requests.exceptions.ConnectTimeout as error:
            raise requests.RequestException(f"{SILENCE}, {KNOCK:g} s long: packets are dropped on the way, or the host is off") from error


class _Session(Session):
    """For every service of a cloud: each has an endpoint of its own, which may be silent though Keystone's answers."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for scheme in list(self.session.adapters):
            self.session.mount(scheme, _Knocking())

    def request(self, url: str, method: str, *args: Any, **settings: Any) -> requests.Response:
        """As the library has it, which by itself repeats nothing but a 503."""
        if method in READING:
            settings.setdefault("retriable_status_codes", list(PASSING))
        return super().request(url, method, *args, **settings)


def keystone(connection: Connection) -> identity_v3.Proxy:
    """The identity service. It speaks nothing but v3 here; the library's type still allows for v2."""
    return cast(identity_v3.Proxy, connection.identity)


def account_of(connection: Connection, project: str) -> str:
    """The address of a project's account in object storage.

    SDKException when that of the connection's own project does not tell how it is made.
    """
    own, endpoint = str(connection.current_project_id), (connection.object_store.get_endpoint() or "").rstrip("/")
    if not endpoint.endswith(own):
        raise openstack.exceptions.SDKException(f"the address of object storage does not end with the id of a project: {endpoint}")
    return endpoint.removesuffix(own) + project


def _signed_in(region: str, cloud: Cloud) -> Connection | Problem:
    """The connection, or what keeps it from working; tried again where that may pass by itself."""
    found = _sign_in(region, cloud)
    for pause in SIGN_IN_PAUSES:
        if not isinstance(found, Problem) or found.what not in {NO_ANSWER, ILL}:
            break
        time.sleep(pause)
        found = _sign_in(region, cloud)
    return found


def _sign_in(region: str, cloud: Cloud, *, once: bool = False) -> Connection | Problem:
    where = f"cloud {cloud.name} in {os.environ[VARIABLE]}, region {region}, {cloud.auth_url}"
    if _silent(cloud):
        return Problem(
            SILENCE,
            where=where,
            why=f"no connection within {KNOCK:g} s: packets are dropped on the way, or the host is off",
            cure="correct `auth_url`; let the firewalls between this machine and the cloud pass its port. For the lab: lz lab status",
        )
    try:
        connection = connect(cloud, region, once=once)
        connection.authorize()
    except (ksa.ClientException, openstack.exceptions.SDKException) as error:
        found = explain(error, where)
        return replace(found, what=OVER, cure=OVER_CURE) if found.what == EXPIRED and _over(cloud.ca) else found
    offered = {endpoint["region"] for service in connection.service_catalog for endpoint in service["endpoints"]}
    if region not in offered:
        return Problem(
            f"the cloud has no region {region!r}",
            where=where,
            why=f"its catalogue has: {', '.join(sorted(offered)) or 'none'}",
            cure="say in the region's `cloud_region` in the environment file what the cloud calls it, or correct its `cloud`",
        )
    return connection


def _silent(cloud: Cloud) -> bool:
    """Whether neither a connection nor its TLS comes about, nor is refused. What else may be wrong there, signing in tells better.

    The library would wait for each of its calls and tries: minutes in all. A proxy on the way answers in the cloud's place.
    """
    place = urlsplit(cloud.auth_url)
    if not place.hostname or select_proxy(cloud.auth_url, get_environ_proxies(cloud.auth_url)):
        return False
    try:
        with socket.create_connection((place.hostname, place.port or (443 if place.scheme == "https" else 80)), KNOCK) as plain:
            if place.scheme == "https":
                ssl.create_default_context(cadata=cloud.ca).wrap_socket(plain, server_hostname=place.hostname).close()
    except TimeoutError:
        return True
    except (OSError, ValueError):  # an answer of some kind
        return False
    return False


def _over(ca: str | None) -> bool:
    """Whether every authority of an entry has expired, of which OpenSSL says the same as of an expired certificate."""
    try:
        known = ssl.create_default_context(cadata=ca).get_ca_certs() if ca else []
    except ssl.SSLError:  # a form that only OpenSSL's own reader of files knows
        return False
    return bool(known) and all(ssl.cert_time_to_seconds(str(one["notAfter"])) < time.time() for one in known)


def explain(error: Exception, where: str) -> Problem:
    """What kept a sign-in from working, in plain words. The library hides the real cause in the text of its own error."""
    text = str(error)
    for pattern, what, cure in SAID:
        if pattern.search(text):
            return Problem(what, where=where, why=text, cure=cure)
    return Problem(
        "signing in to the cloud failed",
        where=where,
        why=f"{type(error).__name__}: {text}",
        cure="compare the entry with what the cloud's operator gave you",
    )


SAID = (
    (
        re.compile(r"certificate has expired"),
        EXPIRED,
        "renew the certificate (the lab: lz lab down, then lz lab up), and check the clock of this machine",
    ),
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify"),
        "the cloud's certificate cannot be verified",
        "let `cacert` of the entry name the authority that signed it; never switch verification off",
    ),
    (
        re.compile(r"HTTP 401|requires authentication|Unauthorized"),
        "the cloud does not accept the user name or password",
        "correct `username`, `password`, `project_name` and the domains of the entry",
    ),
    (
        re.compile(r"Unable to establish connection|timed out|Timeout|Max retries|Could not find versioned identity"),
        NO_ANSWER,
        "is it up, and can this machine reach it? For the lab: lz lab status",
    ),
    (
        re.compile(r"HTTP (429|500|502|503|504)"),
        ILL,
        "look at its health (the lab: lz lab doctor), then run the same command again",
    ),
)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:  # its text has the line itself, which may be that of the password
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        why = " ".join(str(part) for part in (error.context, error.problem) if part)
        cure = "correct this line or the one before it; a password with other characters than letters and digits stands in quotes"
        raise InputError(Problem("clouds.yaml cannot be read", where=f"{path}:{line}", why=why, cure=cure)) from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        cure = "correct the file; it is UTF-8 text"
        raise InputError(Problem("clouds.yaml cannot be read", where=str(path), why=str(error), cure=cure)) from None
    clouds = data.get("clouds") if isinstance(data, dict) else None
    return clouds if isinstance(clouds, dict) else {}


def _entry(name: str, entries: Mapping[str, Any], path: Path) -> Cloud | Problem:
    if name not in entries:
        return Problem(
            f"clouds.yaml has no cloud {name!r}",
            where=str(path),
            why=f"it has: {', '.join(sorted(entries)) or 'none'}",
            cure=f"add the entry, correct `cloud` of the region in the environment file, or point {VARIABLE} to the right file",
        )
    entry = entries[name]
    auth = entry.get("auth", {}) if isinstance(entry, dict) else {}
    url = auth.get("auth_url") if isinstance(auth, dict) else None
    if not url:
        return Problem(f"cloud {name!r} has no auth.auth_url", where=str(path), cure="complete the entry")
    ca = entry.get("cacert")
    if not ca:
        return Cloud(name, url, None)
    file = Path(ca).expanduser()
    if not file.is_file():
        return Problem(f"the CA file of cloud {name!r} is missing", where=f"{path}: cacert {ca}", cure="put it there")
    try:
        return Cloud(name, url, file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        cure = f"write it anew as PEM: openssl x509 -in {file} -out NEW.pem; name that one"
        return Problem(f"the CA file of cloud {name!r} is not PEM text", where=f"{path}: cacert {ca}", cure=cure)


def _setting(name: str, key: str) -> str:
    return str(_read(Path(os.environ[VARIABLE]))[name][key])
