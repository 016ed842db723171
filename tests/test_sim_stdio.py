"""Standard output and standard error that are closed, or cannot be written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.stdio import Outlet

ROOT = Path(__file__).parents[1]
OPENS = "import sys; from sim.stdio import outlets\nwith outlets(), open('/dev/null') as file: sys.exit(file.fileno())"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(closed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", OPENS]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode > 2


def test_what_cannot_be_written_is_dropped_and_said() -> None:
    full, (reading, writing) = os.open("/dev/full", os.O_WRONLY), os.pipe()
    with Outlet(full) as outlet, Outlet(writing) as read:
        assert outlet.full is None
        assert outlet.write(b"four") == 4
        assert outlet.full == os.strerror(errno.ENOSPC)
        assert read.write(b"four") == 4
        assert read.full is None
        assert os.read(reading, 9) == b"four"
        os.close(reading)
        assert read.write(memoryview(b"four")) == 4
        assert read.error is not None
        assert read.full is None  # whoever read it went away
    os.close(full)
    os.close(writing)
