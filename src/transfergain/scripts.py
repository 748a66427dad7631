"""Divide texts into words, also in scripts that set no spaces between them: there each sign counts as a word.

Whole clauses would be single words otherwise, unlike in any other text. BERT's tokenizers and sacrebleu's for Chinese
take Chinese signs singly too.
"""

from __future__ import annotations

import re

UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese signs
)
"""What stands between the brackets of a regular expression."""
LETTER = rf"[^\W{UNSPACED}]"
"""A letter or digit of a script with spaces."""
WORD = rf"[{UNSPACED}]|{LETTER}+"
"""One word, as a regular expression."""
_SIGN = re.compile(rf"([{UNSPACED}])")


def split(text: str) -> list[str]:
    """Split a text at white space and around each sign of a script without spaces; punctuation stays on its word."""
    return _SIGN.sub(r" \1 ", text).split()
