"""Say a gain in words."""

from __future__ import annotations

from transfergain.analysis import words
from transfergain.analysis.endless import Reading
from transfergain.analysis.rows import GainRow
from transfergain.arms import ARMS, REFERENCE
from transfergain.metrics import METRICS


def sentence(row: GainRow, over_looks: str = "") -> str:
    """Say one gain in words; `over_looks` is the clause on the interval's level."""
    figures = [words.points(row.estimate)]
    if row.low is not None:
        figures[0] += f", {words.interval(row.low, row.high)}{over_looks}"
        figures.append(f"Holm {words.format_p(row.p_holm)}")
    text = f"{row.dataset}: "
    if not row.reference_learned:
        text += f"{row.reference} is not clearly above chance in {row.reference_at_chance} of {words.seeds(row.n_seeds)}; "
    where = f"on {row.split.title} with {row.budget:,} labels"
    text += f"{_moves(row)} {where} ({'; '.join([*figures, words.seeds(row.n_seeds)])}): {row.verdict}"
    text += f"; {row.why}" if row.why else ""
    if row.endless.reading is not Reading.SAME:
        text += f"; {row.endless.clause(row.arm)}"
    if row.below_floor:
        text += f"; the floor {row.below_floor} does as well or better"
    return text + "."


def _moves(row: GainRow) -> str:
    """Write `full lifts accuracy from 70.0 to 88.0 %`.

    Over a floor, and where one side's predictions come from files: `full has accuracy 88.0 %, tfidf 70.0 %`.
    """
    metric, before, after = (
        METRICS[row.metric].title,
        *(words.score(1 - error) for error in (row.reference_error, row.error)),
    )
    if row.reference != REFERENCE or row.arm not in ARMS:
        return f"{row.arm} has {metric} {after}, {row.reference} {before}"
    if before == after:
        return f"{row.arm} leaves {metric} at {after}"
    verb = "lifts" if row.estimate > 0 else "lowers"
    return f"{row.arm} {verb} {metric} from {words.from_to(1 - row.reference_error, 1 - row.error)}"
