"""Write English contractions out, and contract full forms: "don't" and "do not".

Only pairs that mean the same wherever they stand: "'d" and most "'s" are left, since they have two readings each; so are
forms before a pronoun ("don't you"), and full forms that end a clause ("here I am.").
"""

from __future__ import annotations

import re

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places
from transfergain.types import Target

VERBS = "do does did is are was were has have had would could should must need".split()
NEGATED = {f"{verb} not": f"{verb}n't" for verb in VERBS} | {"will not": "won't", "cannot": "can't"}
WILL = {f"{who} will": f"{who}'ll" for who in "i you he she it we they".split()}
ARE = {"i am": "i'm"} | {f"{who} are": f"{who}'re" for who in "you we they".split()}
HAVE = {f"{who} have": f"{who}'ve" for who in "i you we they".split()}
IS = {f"{who} is": f"{who}'s" for who in "he she it that there here what".split()}
FAMILIES = (
    (NEGATED, r"(?!\s+(?:i|you|he|she|it|we|they|this|that|there|these|those)\b)"),
    (WILL | ARE, r"(?=\s+[a-z])(?!\s+(?:and|or|but|if|as|when|because|than|too)\b)"),
    (HAVE, r"(?=\s+(?:been|had|got|seen|done|never|always|already|just|only)\b)"),
    (IS, r"(?=\s+(?:an?|the)\b)"),
)
"""(full form -> contraction, pattern of what has to follow). Participles show that have is an auxiliary,
articles that 's stands for is, not has."""
OTHER_FORM = {a: b for table, _ in FAMILIES for pair in table.items() for a, b in (pair, pair[::-1])}
"""Each form -> the other."""


def _pattern() -> re.Pattern[str]:
    """Build the pattern of all forms; contractions also match as old tokenizers write them: "do n't", "it 's"."""
    parts = []
    for table, follows in FAMILIES:
        forms = [
            form.replace("n't", " ?n['’]t") if "n't" in form else form.replace("'", " ?['’]") for form in table.values()
        ]
        full = [form.replace(" ", r"\s") for form in table]
        parts.append(rf"(?:{'|'.join([*forms, *full])}){follows}")
    return re.compile(rf"(?<![\w'’])(?<!\bof\s)(?:{'|'.join(parts)})(?![\w'’])", re.IGNORECASE)


FORMS = _pattern()
SPACE = re.compile(r"\s(?=n?['])")


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Replace forms by their others, with the same capitals."""
    found = [Edit(*match.span(), other) for match in FORMS.finditer(text) if (other := _other(match.group()))]
    return [found[i] for i, _ in draw_places(len(found), share, rng)]


def _other(form: str) -> str:
    """Find the other form; "" for letters that only resemble those of a form, such as the dotless i."""
    other = OTHER_FORM.get(SPACE.sub("", re.sub(r"\s", " ", form.lower().replace("’", "'"))), "")
    if form.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if form[0].isupper() else other


CONTRACTIONS = Perturbation(
    name="contractions",
    title="contraction and expansion",
    spoils=frozenset({Target.TAGS}),  # the number of words is given
    edits=edits,
    unit="forms that have another",
    step=0.2,
    citation="Ribeiro, Wu, Guestrin and Singh 2020, Beyond accuracy: behavioral testing of NLP models with CheckList",
)
