"""Python reads this at its start where the folder is on its path: the one line that adds the task."""

from toy_task import TOY

from transfergain.tasks import TASKS

TASKS["toy"] = TOY
