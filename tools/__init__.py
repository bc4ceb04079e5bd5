"""How everything that is not in the repository gets onto the machine: host packages, Python packages, the Pulumi engine."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 -- this is the place that tells people with an older Python
    sys.exit(
        f"Python {sys.version.split()[0]} is too old\n  where: {sys.executable}\n  why:   the project needs Python 3.11 or newer\n"
        "  cure:  install python3 of Debian 12 or later, or name another one: make venv PYTHON=/path/to/python3.12"
    )
