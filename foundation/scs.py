"""What the standards of the Sovereign Cloud Stack ask of an image, for each image that this project makes."""

from __future__ import annotations

CUSTOM = "custom"
GENERIC = "generic"  # the one public image of a release that is for everything: "mostly vanilla from upstream"


def image_properties(*, about: str, built: str, user: str, command_line: str, replaced: str, purpose: str) -> dict[str, str]:
    """Properties of a Debian 13 image by scs-0102, and how a hypervisor starts it.

    about: one line for people. built: YYYY-MM-DD. user: who signs in. command_line: of a kernel that is given from outside.
    replaced: how often, one of the standard's words. purpose: GENERIC or CUSTOM.
    """
    return {
        "architecture": "x86_64",
        "os_distro": "debian",
        "os_version": "13",
        "os_purpose": purpose,
        "hw_disk_bus": "virtio",
        "hw_vif_model": "virtio",
        "hw_rng_model": "virtio",
        "os_command_line": command_line,
        "image_source": "private",
        "image_description": about,
        "image_build_date": built,
        "image_original_user": user,
        "replace_frequency": replaced,
        "provided_until": "none",
        "uuid_validity": "none",
        "hotfix_hours": "0",
    }
