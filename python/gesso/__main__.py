"""`python -m gesso` is `gesso`."""

import sys

from gesso.cli import main

sys.exit(main())
