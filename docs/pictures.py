"""Draw the pictures of the README from a finished study: the page's first screen, and the answer in a terminal.

python docs/pictures.py [FOLDER], where FOLDER is the output folder of a study, runs/demo unless given. Needs Chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from transfergain.analysis.findings import Findings, load
from transfergain.errors import UserError
from transfergain.report import terminal
from transfergain.report.page import html

PICTURES = Path(__file__).parent / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1")
WIDTH, HEIGHT = 1280, 760
COLUMNS = 92
SECONDS = 60


def main() -> int:
    """Draw both pictures and say where they are; 2 where a study or a browser is missing."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "runs/demo"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        if browser is None:
            raise UserError(f"no browser found: install {BROWSERS[0]}")
        findings = load(folder)
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / "terminal.svg").write_text(answer(findings, folder), "utf-8")
        photograph(html.render(findings), browser, PICTURES / "page.png")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(Path(__file__).parent.parent)}  {path.stat().st_size / 1000:,.0f} kB")
    return 0


def answer(findings: Findings, folder: str) -> str:
    """Draw what `transfergain report FOLDER` prints, as SVG that fetches no font."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(f"$ transfergain report {folder}", style="dim", highlight=False)
    terminal.show(findings, console)
    drawn = console.export_svg(title="transfergain", unique_id="answer")
    return re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def photograph(page: str, browser: str, path: Path) -> None:
    """Take a picture of a page's first screen, in light colours. Raises UserError where the browser fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(page, "utf-8")
        size = f"--window-size={WIDTH},{HEIGHT}"
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", size, f"--screenshot={path}", file.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode or not path.exists():
        raise UserError(f"{browser} took no picture: {done.stderr.strip()[-300:]}")


if __name__ == "__main__":
    sys.exit(main())
