"""Answer with a model that a study kept: a plain transformers pipeline.

transfergain run examples/bikes.toml
python examples/use_the_model.py runs/bikes/models/full "My brakes do not work." "When do you open?"
"""

from __future__ import annotations

import sys

from transformers import pipeline


def main(folder: str, texts: list[str]) -> list[str]:
    """Print each text with its class and the model's confidence; returns the classes."""
    answers = pipeline("text-classification", model=folder, device="cpu")(texts)
    for text, answer in zip(texts, answers, strict=True):
        print(f"{answer['label']:<10} {answer['score']:.2f}  {text}")
    return [answer["label"] for answer in answers]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
