"""Break a small study in every way a machine can: nothing finished may be lost, doubled or changed, and one line says why.

`PYTHONPATH=tests python -m faults.run [--kills 100] [--only kill,disk] [--write]` prints a table; --write puts it into
docs/reliability.md. It takes some minutes. Faults that need root (a full disk, a read-only mount, a memory limit) are marked
as skipped without it.

The study is real: tiny random checkpoints, real training, real store. Its driver is a fork of this process, which has the
libraries loaded, and runs trials itself, so that a kill strikes training and writing rather than imports; where workers are
the point, they are the worker processes of every study.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from faults.broken import FAULTS
from support.lab import Lab, Skipped

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: written by tests/faults/run.py -->\n", "<!-- end of faults -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="(default: 100)")
    parser.add_argument("--damages", type=int, default=200, help="damaged stores (default: 200)")
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, with commas between (default: all)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    rows, failed = [], False
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        lab = Lab(Path(folder))
        print(f"14 trials, {lab.seconds:.1f} s of processor, {lab.events} touches of files", flush=True)
        for name in given.only.split(","):
            fault, begin = FAULTS[name], time.perf_counter()
            times = {"kill": [given.kills], "corrupt": [given.damages]}.get(name, [])
            try:
                outcome, verdict = fault(lab, *times), "held"
            except Skipped as reason:
                outcome, verdict = str(reason), "skipped"
            except AssertionError as error:
                outcome, verdict, failed = str(error)[:600], "BROKEN", True
            what = " ".join((fault.__doc__ or name).split())
            rows.append(f"| {what} | {verdict} | {' '.join(outcome.replace('|', '/').split())} |")
            print(f"{rows[-1]} {time.perf_counter() - begin:.0f} s", flush=True)
    if given.write:
        text = PAGE.read_text("utf-8")
        table = "\n".join(["| fault | | what happened |", "|---|---|---|", *rows])
        head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        PAGE.write_text(f"{head}{table}\n{tail}", "utf-8")
    sys.exit(failed)


if __name__ == "__main__":
    main()
