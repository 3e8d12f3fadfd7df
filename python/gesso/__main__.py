"""`python -m gesso` is `gesso`."""

import sys

from gesso.cli.program import main

sys.exit(main())
