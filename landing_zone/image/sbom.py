"""What software an image has, as a CycloneDX bill of materials made from the package database of its tree."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from urllib.parse import quote

SPEC = "1.6"
INSTALLED = "install ok installed"
# A fixed name space, so that the same tree gives the same serial number.
_SPACE = uuid.UUID("2c0cf1a0-7f9c-5d55-8d3e-6a1f6f0b8c41")


@dataclass(frozen=True)
class Package:
    """One installed Debian package; source: name of the package that it was built from."""

    name: str
    version: str
    architecture: str
    source: str

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:deb/debian/{quote(self.name)}@{quote(self.version)}?arch={self.architecture}&distro=debian-13"


def packages(status: str) -> list[Package]:
    """The installed packages in the text of /var/lib/dpkg/status, by name."""
    found = []
    for paragraph in status.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if not line.startswith(" ") and ": " in line)
        if fields.get("Status") == INSTALLED:
            name = fields["Package"]
            found.append(Package(name, fields["Version"], fields["Architecture"], fields.get("Source", name).split()[0]))
    return sorted(found, key=lambda each: (each.name, each.architecture))


def bill(name: str, digest: str, epoch: int, contents: list[Package]) -> str:
    """The bill as JSON text. digest: of the tree; epoch: its date, seconds since 1970. The same words for the same tree."""
    document = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "component": {"type": "operating-system", "bom-ref": name, "name": name, "version": digest},
        },
        "components": [_component(package) for package in contents],
    }
    return json.dumps(document, indent=1) + "\n"


def _component(package: Package) -> dict[str, object]:
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "properties": [{"name": "debian:source", "value": package.source}],
    }
