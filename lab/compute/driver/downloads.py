"""From Glance to a raw file of which every byte is the image's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nova import exception
from nova.virt import images as nova_images
from oslo_concurrency import processutils

from .images import FORMATS, convert_words, info_words, refusal, workplace
from .units import Runner


def fetch_raw(context: Any, image_id: str, target: Path, work: Path, limit: int, run: Runner) -> None:
    """Download the image, make sure that it stands on nothing but itself, write it raw to `target`.

    work: folder for what is on its way, on the file system of `target`. limit: bytes that its content may have, 0 for any number.
    Raises ImageUnacceptable; nothing is left under `target` then.
    """
    meta = nova_images.get_info(context, image_id)
    if meta["disk_format"] not in FORMATS:
        raise exception.ImageUnacceptable(image_id=image_id, reason=f"only {' and '.join(FORMATS)} images can be started here")
    try:
        with workplace(work) as place:
            nova_images.fetch(context, image_id, str(place.source))
            place.hand_over()
            kind = nova_images.do_image_deep_inspection(meta, image_id, str(place.source))
            reason = refusal(json.loads(run(*info_words(place.source, kind))), limit)
            if reason:
                raise exception.ImageUnacceptable(image_id=image_id, reason=reason)
            checked = place.source
            if kind != "raw":
                run(*convert_words(place.source, kind, place.result, "raw"))
                checked = place.take_back()
            checked.chmod(0o444)
            checked.rename(target)
    except (processutils.ProcessExecutionError, ValueError) as problem:
        raise exception.ImageUnacceptable(image_id=image_id, reason=f"it cannot be read: {problem}") from problem
