"""Imported first by the scripts of this folder, so that they find bench/harness.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
