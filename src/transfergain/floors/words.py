"""Turn texts, or pairs of texts, into numbers for a linear model: TF-IDF of words and word pairs, and how pairs overlap."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain import scripts
from transfergain.types import Example

Text = Callable[[Example], str]


class Words:
    """TF-IDF as fitted to some examples. Of pairs, each text has its own, and the words that both have are counted."""

    def __init__(self, examples: Sequence[Example], text: Text) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._text = text
        self._fitted = [
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=scripts.WORD).fit(texts)
            for texts in zip(*map(self._texts, examples), strict=True)
        ]
        self.count = sum(len(vectors.vocabulary_) for vectors in self._fitted)
        """Words and word pairs."""

    def __call__(self, examples: Sequence[Example]) -> Any:
        """Give the rows of examples, as a sparse matrix."""
        from scipy.sparse import csr_matrix, hstack

        columns = list(zip(*map(self._texts, examples), strict=True))
        parts = [vectors.transform(texts) for vectors, texts in zip(self._fitted, columns, strict=True)]
        if len(columns) > 1:
            parts.append(csr_matrix(np.array([_overlap(*pair) for pair in zip(*columns, strict=True)])))
        return hstack(parts, format="csr") if len(parts) > 1 else parts[0]

    def _texts(self, example: Example) -> tuple[str, ...]:
        if "text_pair" in example.inputs:
            return str(example.inputs["text"]), str(example.inputs["text_pair"])
        return (self._text(example),)


def _overlap(first: str, second: str) -> NDArray[np.float64]:
    """Give the shares of each text's words, and of all, that both have."""
    one, other = (set(re.findall(scripts.WORD, text.casefold())) for text in (first, second))
    return np.array([len(one & other) / max(1, len(part)) for part in (one, other, one | other)])
