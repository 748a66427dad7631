"""Small labelled texts that a tiny model can learn from, and the files that people keep them in."""

import csv
import json
import random
from pathlib import Path

GOOD = "good fine lovely superb bright happy warm neat solid charming".split()
BAD = "bad poor ugly broken dull sad cold messy weak boring".split()
FILLER = "the a this that film book chair phone meal room was is very quite rather and with my our on in".split()
PEOPLE = "ada lovelace noor babbage mira okafor tomas jean-paul".split()
"""Eight names, each two of which may be first name and surname; some are several tokens."""
PLACES = "london paris cairo lima oslo kyoto new-york saint-denis".split()
_FRENCH = "le un ce cela cinema livre chaise telephone repas salle etait est tres assez plutot et avec mon notre sur dans"
FRENCH = dict(zip(FILLER, _FRENCH.split(), strict=True))
ASKED = "who where what".split()
UNUSED = [f"unused{i}" for i in range(60)]
"""Tokens that no text has, so that most of a vocabulary is not met, as ever."""
NAMES = [part for name in PEOPLE + PLACES for part in name.split("-")]
WORDS = [*GOOD, *BAD, *FILLER, *FRENCH.values(), *NAMES, "-", *ASKED, *UNUSED]
"""What the tiny tokenizers know."""


def sentences(count, seed=0, extra=()):
    """`count` (text, label) pairs, balanced, all different, learnable from their opinion words."""
    rng = random.Random(seed)
    pairs: list[tuple[str, str]] = []
    seen = set()
    while len(pairs) < count:
        label = "positive" if len(pairs) % 2 else "negative"
        words = [rng.choice(FILLER) for _ in range(rng.randint(3, 9))]
        words.insert(rng.randint(0, len(words)), rng.choice(GOOD if label == "positive" else BAD))
        words += extra
        text = " ".join(words)
        if text not in seen:
            seen.add(text)
            pairs.append((text, label))
    return pairs


def write_csv(path, rows, header=("text", "label")):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


def tagged(count, seed=0):
    """`count` (words, BIO tags) pairs, all different, learnable from their names; every seventh without any."""
    rng = random.Random(f"ner {seed}")
    pairs: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    while len(pairs) < count:
        chunks = [([rng.choice(FILLER)], ["O"]) for _ in range(rng.randint(3, 7))]
        for _ in range(rng.randint(1, 2) if len(pairs) % 7 else 0):
            first, last, place = rng.choice(PEOPLE), rng.choice(PEOPLE), rng.choice(PLACES)
            chunk = rng.choice([([first], ["B-PER"]), ([first, last], ["B-PER", "I-PER"]), ([place], ["B-LOC"])])
            chunks.insert(rng.randint(0, len(chunks)), chunk)
        words, tags = ([part for chunk in chunks for part in chunk[side]] for side in (0, 1))
        pairs.setdefault(tuple(words), (words, tags))
    return list(pairs.values())


def write_conll(path, pairs):
    Path(path).write_text("\n\n".join("\n".join(map(" ".join, zip(*pair, strict=True))) for pair in pairs) + "\n", "utf-8")
    return str(path)


def articles(count, seed=0):
    """`count` articles as SQuAD's JSON has them, with three questions each that have an answer and one that has none."""
    rng = random.Random(f"qa {seed}")
    return [_article(rng, f"article {seed}-{i}") for i in range(count)]


def _article(rng, title):
    *here, absent = rng.sample(PEOPLE, 4)
    where = dict(zip(here, rng.sample(PLACES, 3), strict=True))
    said = [f"{name} was in {place} with {rng.choice(FILLER)} {rng.choice(GOOD)}" for name, place in where.items()]
    context = " ".join(said)
    asked = [(f"where was {here[0]}", where[here[0]]), (f"who was in {where[here[1]]}", here[1])]
    asked += [(f"where was {here[2]}", where[here[2]]), (f"where was {absent}", None)]
    qas = [
        {
            "id": f"{title} {number}",
            "question": question,
            "answers": [{"text": answer, "answer_start": context.index(answer)}] if answer else [],
            "is_impossible": answer is None,
        }
        for number, (question, answer) in enumerate(asked)
    ]
    return {"title": title, "paragraphs": [{"context": context, "qas": qas}]}


def write_squad(path, found):
    Path(path).write_text(json.dumps({"version": "v2.0", "data": found}), "utf-8")
    return str(path)


def translations(count, seed=0):
    """`count` (French, English) pairs, all different, word by word each other's translation."""
    rng = random.Random(f"translation {seed}")
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        words = rng.choices(FILLER, k=rng.randint(3, 7))
        pairs.setdefault(" ".join(FRENCH[w] for w in words), " ".join(words))
    return list(pairs.items())


def write_parallel(path, pairs):
    """Writes PATH.fr and PATH.en; returns the first."""
    for ending, side in (("fr", 0), ("en", 1)):
        Path(f"{path}.{ending}").write_text("".join(pair[side] + "\n" for pair in pairs), "utf-8")
    return f"{path}.fr"
