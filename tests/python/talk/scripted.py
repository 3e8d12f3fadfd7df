"""The command `gesso`, with a model that writes what it is told: python scripted.py REPLIES ARGUMENTS.

REPLIES is JSON: the texts of the replies, one after the other, with special tokens spelt out. Behind the last one the
model writes by itself.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gesso.cli.program import main
from gesso.model import Model
from python.api.test_chat_turns import written

replies = iter(json.loads(sys.argv[1]))
submit = Model._submit


def submit_written(model, ids, deadline, events, options, **others):
    reply = next(replies, None)
    return submit(model, ids, deadline, events, options | (written(model, reply) if reply else {}), **others)


Model._submit = submit_written
sys.exit(main(sys.argv[2:]))
