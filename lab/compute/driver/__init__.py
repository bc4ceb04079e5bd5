"""A Nova compute driver for User Mode Linux: each instance is a kernel that runs as an ordinary, unprivileged process.

For the lab only. Installed as nova.virt.uml (Nova imports nothing from elsewhere), with compute_driver = uml.UMLDriver.
Only driver and downloads import Nova, and are tested over a stand-in for it.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Give UMLDriver on demand: the other modules stay importable where Nova is not installed."""
    if name == "UMLDriver":
        from .driver import UMLDriver  # noqa: PLC0415

        return UMLDriver
    raise AttributeError(name)
