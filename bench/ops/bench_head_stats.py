"""head_stats: logits, entropies, argmax, draws, and what the next step is told, in one sweep over the vocabulary."""

import _path  # noqa: F401
from head_cases import case

from harness import main

if __name__ == "__main__":
    main([case("head_stats")], rows=(256, 2048))
