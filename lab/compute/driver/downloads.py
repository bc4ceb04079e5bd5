"""From Glance to a raw file of which every byte is the image's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nova import exception
from nova.virt import images as nova_images
from oslo_concurrency import processutils

from .cow import open_plain
from .images import FORMATS, convert_words, info_words, refusal
from .state import IMAGE_USER
from .units import Runner


def fetch_raw(context: Any, image_id: str, target: Path, work: Path, limit: int, run: Runner) -> None:
    """Download the image, make sure that it stands on nothing but itself, write it raw to `target`.

    work: folder of the user who reads images. limit: bytes that its content may have, 0 for any number.
    Raises ImageUnacceptable; nothing is left under `target` then.
    """
    meta = nova_images.get_info(context, image_id)
    if meta["disk_format"] not in FORMATS:
        raise exception.ImageUnacceptable(image_id=image_id, reason=f"only {' and '.join(FORMATS)} images can be started here")
    part, raw, ours = work / f"{image_id}.part", work / f"{image_id}.raw", target.with_name(f"{target.name}.part")
    try:
        nova_images.fetch(context, image_id, str(part))
        os.chown(part, IMAGE_USER, IMAGE_USER)
        kind = nova_images.do_image_deep_inspection(meta, image_id, str(part))
        reason = refusal(json.loads(run(*info_words(part, kind))), limit)
        if reason:
            raise exception.ImageUnacceptable(image_id=image_id, reason=reason)
        if kind == "raw":
            part.rename(raw)
        else:
            run(*convert_words(part, kind, raw, "raw"))
        # An image may have taken its reader over, which owns `work`: what it left is looked at where it cannot swap it for a link.
        raw.rename(ours)
        os.close(open_plain(ours))
        os.chown(ours, 0, 0)
        ours.chmod(0o444)
        ours.rename(target)
    except (processutils.ProcessExecutionError, ValueError) as problem:
        raise exception.ImageUnacceptable(image_id=image_id, reason=f"it cannot be read: {problem}") from problem
    finally:
        part.unlink(missing_ok=True)
        raw.unlink(missing_ok=True)
        ours.unlink(missing_ok=True)
