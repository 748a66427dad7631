"""`transfergain next-labels`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from transfergain.cli.output import Folder, Json, print_json
from transfergain.counts import Noun, counted

LEFT_OUT = Noun(
    "row that is empty, repeats another text, or is a text of the study",
    "rows that are empty, repeat another text, or are texts of the study",
)


def next_labels(
    folder: Folder,
    pool: Annotated[str, typer.Option(metavar="FILE", help="unlabelled texts to choose from")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="texts to choose")] = 100,
    rule: Annotated[str, typer.Option(help="what counts as unsure: margin, entropy")] = "margin",
    arm: Annotated[str, typer.Option(help="whose kept model reads them (default: the recommended one)")] = "",
    text_column: Annotated[
        str,
        typer.Option(
            help="column of the texts, or of words to tag; of pairs two: premise,hypothesis (default: the study's)"
        ),
    ] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="file to write (default: DIR/next-labels.csv)")] = "",
    as_json: Json = False,
) -> None:
    """Choose the texts to label next: those that a kept model is least sure of, spread over the pool."""
    from transfergain.running.console import busy, tell
    from transfergain.running.next_labels import Asked, choose
    from transfergain.running.tryout import quiet_libraries

    console = Console(stderr=as_json)
    with busy(console, "reading the pool"), quiet_libraries():
        found = choose(folder, Asked(pool, count, rule, arm, text_column, output))
    if as_json:
        pairs = zip(found.texts, found.scores, strict=True)
        print_json([{**texts, "score": score} for texts, score in pairs])
        return
    chosen = f"{found.path}: {len(found.texts):,} of {counted(found.pool, 'text')}"
    tell(console, "written", f"{chosen}, those that {found.arm} is least sure of ({found.rule}), spread over what it sees")
    if found.left_out:
        tell(console, "left out", counted(found.left_out, *LEFT_OUT))
    tell(console, "no gain yet", "what labels of these texts bring is not known before: add them to the train file, and run "
         "the study again in another folder")  # fmt: skip
