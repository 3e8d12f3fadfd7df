"""All tasks, one module each."""

from __future__ import annotations

from mini.dialogue import Task
from mini.tasks import arithmetic, extract, gaps, memory, passage, refuse, rewrite, small_talk, tools

TASKS: dict[str, Task] = {
    task.name: task
    for task in [
        small_talk.TASK,
        arithmetic.TASK,
        passage.TASK,
        extract.TASK,
        rewrite.TASK,
        gaps.TASK,
        memory.TASK,
        refuse.TASK,
        *tools.TASKS,
    ]
}
