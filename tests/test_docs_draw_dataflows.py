import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_redrawing_gives_the_committed_picture(tmp_path: Path) -> None:
    again = tmp_path / "dataflows.svg"
    # A user's own settings must not change it.
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\nlines.linewidth: 9\n")
    subprocess.run([sys.executable, DOCS / "draw_dataflows.py", again], check=True, cwd=tmp_path, timeout=120)
    assert again.read_bytes() == (DOCS / "dataflows.svg").read_bytes()


def test_the_picture_is_small() -> None:
    assert (DOCS / "dataflows.svg").stat().st_size < 200_000
