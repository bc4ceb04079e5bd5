"""For plain `pulumi up`: runs the program that the name of the stack, ENV.REGION.LAYER, asks for.

Needs the settings that `lz env` prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pulumi

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from landing_zone.engine.opening import of_stack
from stacks.programs import program

if __name__ == "__main__":
    pulumi.run(program(*of_stack(pulumi.get_stack())))
