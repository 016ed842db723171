import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.device.table import Table
from model.errors import HafnetError
from model.faults import FaultMap
from model.network import Network
from model.samples import Samples
from model.training.datasets import read_idx
from model.user_files import MEBIBYTE, read_bytes, read_text


def refusal(load: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(HafnetError) as caught:
        load(path)
    return str(caught.value)


def make(path: Path, what: str) -> Path:
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a device":
        path.symlink_to("/dev/zero")
    elif what == "a folder":
        path.mkdir()
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", ["a pipe", "a device", "a folder"])
@pytest.mark.parametrize("load", [read_bytes, Network.load, Samples.load, FaultMap.load, Table.load, read_idx])
def test_only_a_regular_file_is_opened_and_nothing_waits(
    load: Callable[[Path], Any], what: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "given", what)
    assert refusal(load, path) == f"{path}: is {what}, but a regular file is needed"


def test_a_socket_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a path of a socket must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("given")
        assert refusal(read_bytes, Path("given")) == "given: is a socket, but a regular file is needed"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("whole")
    (tmp_path / "loop").symlink_to("loop")
    assert read_bytes(tmp_path / "link") == b"abc"
    assert "loop: cannot be opened (Too many levels of symbolic links)" in refusal(read_bytes, tmp_path / "loop")


def test_a_missing_file_is_said_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(HafnetError, match="absent: no such file; `hafnet train` makes it"):
        read_bytes(tmp_path / "absent", hint="`hafnet train` makes it")
    (tmp_path / "file").touch()
    assert refusal(read_bytes, tmp_path / "file" / "inside").endswith("inside: no such file")
    assert "cannot be opened (embedded null byte)" in refusal(read_bytes, tmp_path / "a\0b")


def test_a_file_has_no_more_bytes_than_its_kind_can(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**40)  # which takes no room on the disk
    assert refusal(Table.load, path) == f"{path}: is larger than 64 MiB, the most that is read of such a file"
    assert "is larger than 4096 MiB" in refusal(read_idx, path)
    assert "is larger than 65536 MiB" in refusal(Network.load, path)
    path.write_bytes(bytes(5))
    assert read_bytes(path, 5) == bytes(5)
    with pytest.raises(HafnetError, match="is larger than 4 bytes"):
        read_bytes(path, 4)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only on Linux")
def test_a_file_that_says_that_it_is_empty_is_read_up_to_the_limit() -> None:
    assert read_bytes("/proc/self/status", MEBIBYTE).startswith(b"Name:")
    with pytest.raises(HafnetError, match="is larger than 10 bytes"):
        read_bytes("/proc/self/status", 10)


@pytest.mark.parametrize("data", ["a,µ\nb\n", "a,µ\r\nb\r\n", "a,µ\rb\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_of_any_system_is_the_same(data: str, mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(mark + data.encode())
    assert read_text(tmp_path / "text") == "a,µ\nb\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b\n".encode("utf-16"), "is text in UTF-16, but UTF-8 is expected: save it again as UTF-8"),
        ("a,b\n".encode("utf-16-be"), "byte"),
        ("a\nset_current_µA".encode("cp1252"), "byte b5 in line 2 is no UTF-8: save it again as UTF-8"),
    ],
)
def test_text_in_another_encoding_is_said(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(data)
    if message == "byte":  # without a mark nothing but zeros tells: that is for the reader of the text
        assert read_text(tmp_path / "text").startswith("\0a")
    else:
        assert message in refusal(read_text, tmp_path / "text")
