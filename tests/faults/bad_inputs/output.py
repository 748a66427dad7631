"""Output folders, and what `report` and `export` are given."""

import sqlite3

from bad_inputs.world import case, train
from transfergain.store import STORE_FILE, Store


@case("--output-dir file/runs", "cannot write there")
def output_below_a_file(world):
    return [*train(world), "--model", world.model("tiny"), "--output-dir", world.put("file", "x") + "/runs"]


@case("--output-dir file", "cannot write there")
def output_that_is_a_file(world):
    return [*train(world), "--model", world.model("tiny"), "--output-dir", world.put("file", "x")]


@case("--output-dir runs/reviews", "holds a study of another checkpoint")
def output_of_another_study(world):
    world.study()
    return [*train(world), "--model", world.model("tiny")]


@case(f"runs/reviews/{STORE_FILE}", "cannot be")
def output_with_a_corrupt_store(world):
    world.put(f"runs/reviews/{STORE_FILE}", "no database, but someone's notes" * 99)
    world.put("runs/reviews/.lock", "")
    return [*train(world), "--model", world.model("tiny")]


for command in ("report", "export"):
    case("nowhere", "no study there", name=f"{command} of a folder that is not there")(lambda w, c=command: [c, "nowhere"])
    case("films", "no study there", name=f"{command} of a folder without study")(
        lambda w, c=command: w.put("films/train.csv", "x") and [c, "films"]
    )
    case("films/" + STORE_FILE, "cannot be read", name=f"{command} of garbage")(
        lambda w, c=command: w.put(f"films/{STORE_FILE}", "no database" * 999) and [c, "films"]
    )
    case("films/" + STORE_FILE, name=f"{command} of an empty store")(
        lambda w, c=command: w.put(f"films/{STORE_FILE}", "") and [c, "films"]
    )

    @case("films/" + STORE_FILE, "cannot be read", name=f"{command} of a store cut short")
    def _cut(world, command=command):
        with Store(world.folder / "films", create=True) as store:
            store.update_meta({f"key {i}": "x" * 500 for i in range(200)})
        path = world.folder / "films" / STORE_FILE
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return [command, "films"]

    @case("films/" + STORE_FILE, name=f"{command} of another program's database")
    def _foreign(world, command=command):
        (world.folder / "films").mkdir()
        with sqlite3.connect(world.folder / "films" / STORE_FILE) as database:
            database.execute("CREATE TABLE songs (title TEXT)")
        database.close()
        return [command, "films"]

    @case("films", "before the study was set up", name=f"{command} of a study that never began")
    def _unplanned(world, command=command):
        with Store(world.folder / "films", create=True):
            pass
        return [command, "films"]


case('--format: unknown format "xlsx"', "csv", name="unknown format")(lambda w: ["export", w.study(), "--format", "xlsx"])
case('--table: unknown table "gain"', 'Did you mean "gains"', name="unknown table")(
    lambda w: ["export", w.study(), "--table", "gain"]
)
