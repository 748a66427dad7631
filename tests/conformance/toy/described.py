"""A plugin of pytest: what the conformance tests have to be told of the added task."""

import sys

TEXTS = ["good film", "a bad book of many pages", "dull", "my room is bright and new", "x y", "o p q r s"]
ROWS = [{"label": "long" if i % 2 else "short", "text": text} for i, text in enumerate(TEXTS)]


def pytest_collection_modifyitems(items):
    module = sys.modules["test_tasks"]
    module.ROWS["toy"] = lambda: [dict(row) for row in ROWS]
    module.NEEDED["toy"] = {"text": "--least-words"}
    module.GUESSES["toy"] = lambda example: (0, 1)
