"""Names that are code in some language, and a study whose every name is one."""

import csv
import os
from pathlib import Path
from typing import Any

import transfergain as tg
from support.texts import sentences
from support.tiny import KEYS

MARKUP = "<b>x</b>".replace("/", "\\") + "<svg onload=evil=1><img src=x onerror=evil=2>&lt;i&gt;&amp;&#60;"
MARKDOWN = "[l](http:x) ![i](x) `c` **b** | @user #1 <!-- _ ~~s~~"
OTHERS = r"{{7*7}} {a: [b, &c *d]} !!x --- \input{x} $y$ %z ^_~ ;=1+1" + "\t=2 \"'"
"""Templates, YAML, LaTeX, cells of a spreadsheet that splits at semicolons or tabs, and quotation marks."""
OUTPUT = "runs/a $(touch evil) `touch evil`; 'b"
STEERING = "\x1b[31m\x07\x9b2J\u202e\u2066\u200b\ufeff\r\n---\nx: y\n"
"""Escapes of terminals, signs that turn what is read, and line ends."""


class Names:
    """Every name of the study; those of files hold no slash, and those of keys only what can be shown."""

    def __init__(self, port):
        here = f"localhost:{port}"
        load = f"<script src=http:\\\\{here}\\s>1<\\script><img src=http:\\\\{here}\\i>"
        slashed = f"</script><script>evil=3</script><img src='http://{here}/j'> http://{here}/a www.x.org "
        self.dataset = f"={load}{MARKUP}{OTHERS}{STEERING}"
        self.shift = f"@{slashed}{MARKUP}{MARKDOWN}".strip()
        self.predictions = f"-{slashed}{OTHERS}".replace("\t", " ")
        self.model = f"+{load}{MARKDOWN}"[:200]
        self.labels = (f"+{slashed}{MARKUP}{MARKDOWN}{OTHERS}{STEERING}", f"[5cm]*{slashed}{OTHERS}")
        self.text = f"@{slashed}{MARKUP}{STEERING}"
        self.corpus = f"{load}{MARKDOWN}"[:150] + STEERING


def _write(path, rows, header=("text", "label")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def study(folder, checkpoint, names):
    """Run the study in `folder`, which becomes the current one; returns (output folder, train file, model)."""
    os.chdir(folder)
    texts = [(f"{text} {names.text}", names.labels[label == "positive"]) for text, label in sentences(140)]
    train = _write(Path(f"{names.dataset}.csv"), texts)
    test = _write(Path("held.csv"), [(f"{text} x", label) for text, label in texts[:40]])
    away = _write(Path("away.csv"), [(f"{text} y", label) for text, label in texts[:20]])
    rows = list(csv.reader(test.open(newline="", encoding="utf-8")))[1:]
    given = _write(Path("given.csv"), rows, ("text", "prediction"))
    model = Path(names.model)
    model.symlink_to(checkpoint)
    keys: dict[str, Any] = KEYS | {
        "task": "classification", "model": str(model), "train_file": str(train), "test_file": str(test),
        "shift": {names.shift: str(away)}, "predictions": {names.predictions: [str(given)]}, "output_dir": OUTPUT,
        "arms": ["scratch", "full"], "budgets": [20, 40], "tune": 0, "min_steps": 4,
    }  # fmt: skip
    tg.run(**keys, quiet=True)
    return Path(OUTPUT), train, model
