"""expected_embedding: the next step's self-conditioning input from what head_stats has kept."""

import _path  # noqa: F401
from head_cases import case

from harness import main

if __name__ == "__main__":
    main([case("expected_embedding")], rows=(256, 2048))
