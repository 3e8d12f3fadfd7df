"""The scripts of this folder import this module first, so that they find bench/harness.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
