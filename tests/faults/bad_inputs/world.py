"""What the cases share: the folder that a case fills, and the register of cases."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from support.texts import sentences, write_csv
from transfergain.store import Store

CASES = {}


@dataclass
class World:
    """The working folder and what cases put into it."""

    folder: Path
    checkpoints: object

    def csv(self, name, rows=None, **options):
        return write_csv(self.folder / name, sentences(300) if rows is None else rows, **options) and name

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def model(self, name, *without, **instead):
        """A copy of a tiny checkpoint, without some files and with other content in some (`_` for `.` in names)."""
        shutil.copytree(self.checkpoints("bert"), self.folder / name)
        for file in without:
            (self.folder / name / file).unlink()
        for file, content in instead.items():
            self.put(f"{name}/{file.replace('_json', '.json').replace('_safe', '.safe')}", content)
        return name

    def study(self, name="runs/reviews", **identity):
        """An output folder that holds a study."""
        with Store(self.folder / name, create=True) as store:
            store.set_meta("identity", identity or {"checkpoint": "sha256:other", "data": {}})
        return self.put(f"{name}/.lock", "") and name


def case(*says, name=None):
    """Register a case: a function of a World that returns the arguments; its one line must contain all of `says`."""

    def register(build):
        CASES[name or build.__name__] = (build, says)
        return build

    return register


def train(world, rows=None, **options):
    return ["run", "--train-file", world.csv("reviews.csv", rows, **options)]


def with_file(name, content, *arguments):
    return lambda world: ["run", "--train-file", world.put(name, content), *arguments]


def flags(*arguments):
    return lambda world: [*train(world), *arguments]


def in_file(content):
    return lambda world: ["run", world.put("study.toml", 'train_file = "reviews.csv"\n' + content), *train(world)[3:]]


def in_tasks(content):
    return lambda world: ["run", world.put("study.toml", "[[tasks]]\n" + content)]


def csv_text(rows, header="text,label"):
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def changed(index, row, count=300):
    rows = sentences(count)
    rows[index] = row
    return rows
