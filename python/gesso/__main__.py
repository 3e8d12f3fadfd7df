"""Makes `python -m gesso` the same as the command `gesso`."""

import sys

from gesso.cli import main

sys.exit(main())
