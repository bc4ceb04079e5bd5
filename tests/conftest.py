"""What all tests share: a busy machine makes hypothesis slow, never wrong."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
