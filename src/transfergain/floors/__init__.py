"""Floors: cheap baselines that are no transformer; one file and one line each.

They see the same labelled examples as the arms of the same budget and replicate, and stand beside them in every table.
"""

from __future__ import annotations

from transfergain.floors.base import Floor
from transfergain.floors.majority import MAJORITY
from transfergain.floors.tfidf import TFIDF

FLOORS: dict[str, Floor] = {
    "majority": MAJORITY,
    "tfidf": TFIDF,
}
