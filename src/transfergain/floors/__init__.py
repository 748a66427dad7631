"""Floors: cheap baselines that are no transformer; one file and one line each.

They see the same labelled examples as the arms of the same budget and replicate, and stand beside them in every table.
"""

from __future__ import annotations

from transfergain.floors.base import Floor
from transfergain.floors.copy_source import COPY_SOURCE
from transfergain.floors.frequent_tag import FREQUENT_TAG
from transfergain.floors.majority import MAJORITY
from transfergain.floors.nearest import NEAREST
from transfergain.floors.overlap import OVERLAP
from transfergain.floors.tfidf import TFIDF

FLOORS: dict[str, Floor] = {
    "majority": MAJORITY,
    "tfidf": TFIDF,
    "frequent_tag": FREQUENT_TAG,
    "overlap": OVERLAP,
    "copy_source": COPY_SOURCE,
    "nearest": NEAREST,
}
