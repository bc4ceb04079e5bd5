"""The environment model: read a file, see every problem in it at once, get a typed environment."""

from landing_zone.model.environment import Environment
from landing_zone.model.loading import load

__all__ = ["Environment", "load"]
