"""Whether a pretrained decoder knows more than counts do: its held-out loss beside a unigram and a trigram model's.

The trigram model is interpolated Kneser and Ney's (1995) with one discount, made of the tokens that the decoder was trained
on and tested on the same held-out sequences, from the third token of each on.

    transfergain pretrain --from-scratch --train-tokenizer 8000 --model CONFIG --unlabelled-file TEXT ... --output-dir FOLDER
    python -m benchmarks.ngram FOLDER TEXT ...
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from transfergain.data import unlabelled
from transfergain.engine.pretraining.packing import pack

DISCOUNT = 0.75
Gram = tuple[int, ...]


class KneserNey:
    """An interpolated trigram model."""

    def __init__(self, ids: Sequence[int], size: int) -> None:
        self.size = size
        triples: Counter[Gram] = Counter(zip(ids, ids[1:], ids[2:], strict=False))
        pairs, words = Counter[Gram](), Counter[Gram]()
        for _, second, third in triples:  # of the orders below counts how many different words a gram follows
            pairs[second, third] += 1
        for _, second in pairs:
            words[(second,)] += 1
        self.counts: tuple[Counter[Gram], ...] = (words, pairs, triples)
        self.totals, self.kinds = [Counter[Gram]() for _ in range(3)], [Counter[Gram]() for _ in range(3)]
        for order, counts in enumerate(self.counts):
            for gram, count in counts.items():
                self.totals[order][gram[:-1]] += count
                self.kinds[order][gram[:-1]] += 1

    def probability(self, gram: Gram) -> float:
        """Compute the probability of the last word of a gram after those before it."""
        if not gram:
            return 1 / self.size
        order, before = len(gram) - 1, gram[:-1]
        total = self.totals[order][before]
        if not total:
            return self.probability(gram[1:])
        own = max(self.counts[order][gram] - DISCOUNT, 0.0) / total
        return own + DISCOUNT * self.kinds[order][before] / total * self.probability(gram[1:])

    def loss(self, sequences: Iterable[Sequence[int]]) -> float:
        """Compute the mean loss of sequences from their third token on, in nats a token."""
        grams = [gram for ids in sequences for gram in zip(ids, ids[1:], ids[2:], strict=False)]
        return float(np.mean([-math.log(self.probability(gram)) for gram in grams]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of a decoder that `transfergain pretrain` made")
    parser.add_argument("texts", nargs="+", help="the --unlabelled-file of that run, in its order")
    options = parser.parse_args()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    made = json.loads((options.folder / "pretraining.json").read_text("utf-8"))
    packed = pack(unlabelled.read(options.texts), tokenizer, 128, 16)
    trigram = KneserNey(packed.train.ids.tolist(), len(tokenizer))
    held_out = [row for batch in packed.held_out_batches() for row in batch.ids.tolist()]
    print(f"held-out loss, nats a token: {made['objective']} {made['loss']:.3f}, trigram "
          f"{trigram.loss(held_out):.3f}, unigram {made['unigram_loss']:.3f}; "
          f"{len(packed.train.ids):,} tokens, {made['steps']:,} steps")  # fmt: skip


if __name__ == "__main__":
    main()
