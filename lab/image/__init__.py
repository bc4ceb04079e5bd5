"""The guest image of the lab: Debian 13, built on this machine, fast to its first SSH login."""

from lab.image.guest import GuestImage, build, forget

__all__ = ["GuestImage", "build", "forget"]
