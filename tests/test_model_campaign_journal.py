"""The journal of a campaign: whole lines are kept, and nothing that is not one is believed."""

import errno
import io
import json
import re
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.campaign.journal import Journal
from model.campaign.points import BLOCK, NEURON_MAPS, Campaign, at_rates
from model.errors import HafnetError
from model.random_network import random_network
from model.samples import Samples

SETTINGS = {"network": "a", "samples": "b", "seed": "0"}


def line(text: str) -> bytes:
    """A line of a journal with the right CRC-32, whatever it says: `text` is JSON without its last brace."""
    return f'{text},"crc32":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()


HEAD = line('{"version":2,"network":"a","samples":"b","seed":"0"')


def refusal(path: Path, check: Callable[[str, Any], None] = lambda key, result: None) -> str:
    """The sentence with which a journal is refused, which leaves it as it is."""
    data = path.read_bytes()
    with pytest.raises(HafnetError) as refused:
        Journal(path, SETTINGS, check)
    assert path.read_bytes() == data
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert len(str(refused.value).replace(str(path), "journal.jsonl")) < 200
    return str(refused.value)


def test_a_journal_cut_off_anywhere_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        for number in range(3):
            journal.add(f"key{number}", [number, {"nested": "\n"}])
    data = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(data) if byte == ord("\n")]
    assert len(ends) == 4
    for length in range(ends[0], len(data) + 1):
        path.write_bytes(data[:length])
        with Journal(path, SETTINGS) as journal:
            whole = sum(end <= length for end in ends) - 1
            assert [*journal.results] == [f"key{number}" for number in range(whole)]
            for number in range(whole, 3):
                journal.add(f"key{number}", [number, {"nested": "\n"}])
        assert path.read_bytes() == data


def test_a_result_is_on_the_disk_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.add("a", 1)
        head, result = path.read_bytes().splitlines(keepends=True)
        assert head == HEAD
        assert result == line('{"key":"a","result":1')


def test_a_journal_of_other_settings_is_refused_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.add("a", 1)
    other = {"network": "a", "samples": "c", "seed": "1"}
    with pytest.raises(HafnetError, match=r"of another samples and another seed, .* start anew with --restart"):
        Journal(path, other)
    with Journal(path, other, restart=True) as journal:
        assert journal.results == {}
    with Journal(path, other) as journal:
        assert journal.results == {}


def test_nobody_else_may_use_it_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS), ThreadPoolExecutor(1) as other, pytest.raises(HafnetError, match="another run"):
        other.submit(Journal, path, SETTINGS, restart=True).result()
    assert [*tmp_path.iterdir()] == [path]
    with Journal(path, SETTINGS, restart=True):
        pass


@pytest.mark.parametrize("length", range(len(HEAD)))
def test_a_first_line_that_breaks_off_says_how_to_go_on(tmp_path: Path, length: int) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(HEAD[:length])
    state = "breaks off in its first line" if length else "is empty"
    sentence = f"{path} {state}, and holds no results: start anew with --restart, or delete it"
    assert refusal(path) == sentence
    with Journal(path, SETTINGS, restart=True) as journal:
        assert journal.results == {}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\x80\n", "no JSON: "),
        (b"[]\n", "no JSON object"),
        (b"[" * 100_000 + b"\n", "no JSON: maximum recursion depth"),
        (b'{"version": 1' + b"0" * 5000 + b"}\n", "no JSON: Exceeds the limit"),
        (b'{"version": 1, "network": "a"}\n', "format version 1 is older than 2"),
        (b'{"version": 3}\n', "format version 3 is newer than 2"),
        (b'{"version": 2}\n', "it does not end with a CRC-32"),
        (b"{}\n", "format version is None"),
        (HEAD.replace(b'"a"', b'"c"'), "its CRC-32 is ........, but it says ........"),
    ],
)
def test_another_first_line_is_refused(tmp_path: Path, head: bytes, message: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(head)
    assert re.fullmatch(
        rf"{path} cannot be continued \({message}.*\): start anew with --restart, or delete it", refusal(path)
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"rubbish\n", "it does not end with a CRC-32"),
        (b"\n", "it does not end with a CRC-32"),
        (b'{"key":"b","result":1}\n', "it does not end with a CRC-32"),
        (line('{"key":"b","result":1').replace(b":1,", b":2,"), "its CRC-32 is"),
        (line('{"key":"b","result":' + "[" * 100_000), "no JSON: maximum recursion"),
        (line('{"key":"b","result":1' + "0" * 5000), "no JSON: Exceeds the limit"),
        (line('{"key":1,"result":1'), "this is no result"),
        (line('{"key":["b"],"result":1'), "this is no result"),
        (line('{"key":"b"'), "this is no result"),
        (line('{"key":"b","result":1,"more":1'), "this is no result"),
        (line('{"key":"a","result":1'), "a second result of a"),
        (line('{"key":"b","result":2'), "no 1"),
    ],
)
def test_a_line_that_is_no_result_is_named(tmp_path: Path, bad: bytes, message: str) -> None:
    def check(key: str, result: Any) -> None:
        if result != 1:
            raise HafnetError("no 1")

    path = tmp_path / "journal.jsonl"
    path.write_bytes(HEAD + line('{"key":"a","result":1') + bad + line('{"key":"c","result":1'))
    assert re.fullmatch(
        rf"{path}, line 3: {message}.*: remove the line, or start anew with --restart, or delete it",
        refusal(path, check),
    )
    path.write_bytes(path.read_bytes().replace(bad, b"", 1) if bad != b"\n" else HEAD)
    Journal(path, SETTINGS, check).__exit__(None, None, None)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = HEAD + line('{"key":"a","result":12') + line('{"key":"b","result":34')
    for position in range(len(whole) - 1):  # the last one is the end of a line, which may be torn
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        refusal(path)


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    network = random_network((6, BLOCK + 2, 3), seed=1)
    samples = Samples(np.zeros((30, 6), int), np.zeros(30, int))
    return Campaign(network, samples, at_rates(network, [0.1]), neurons=0.1)


NO_CHANGES: list[Any] = [[1, 2], [1, -2], [-1, 0], [301, 0], [True, 0], None, {}]
MAP, BLOCK_OF_2 = "0123456789abcdef0123456789abcdef/7", f"hidden0/{BLOCK}/0.1"


@pytest.mark.parametrize(
    ("key", "result"),
    [
        (MAP, 0),
        (MAP, 30),
        (BLOCK_OF_2, [[0, 0], [30 * NEURON_MAPS, -30 * NEURON_MAPS]]),
        ("output/0/0.25", [[3, 3], [3, -3], [3, 0]]),
    ],
)
def test_a_result_that_can_be_is_taken(campaign: Campaign, key: str, result: Any) -> None:
    campaign.check(key, result)


@pytest.mark.parametrize(
    ("key", "result"),
    [
        *((MAP, result) for result in (-1, 31, 95, 1.0, True, None, "1", [1], float("inf"))),
        *((BLOCK_OF_2, result) for result in (1, [], [[0, 0]], [[0, 0]] * 3, [[0, 0], [0]], [[0, 0], [0, 0.0]])),
        *((BLOCK_OF_2, [[0, 0], pair]) for pair in NO_CHANGES),
        ("hidden0/1/0.1", [[0, 0]] * BLOCK),
        ("hidden0/" + "9" * 5000 + "/0.1", []),
        ("hidden7/0/0.1", [[0, 0]]),
    ],
)
def test_a_result_that_cannot_be_is_refused(campaign: Campaign, key: str, result: Any) -> None:
    with pytest.raises(HafnetError, match=r"the result is not a|a neuron's result is not"):
        campaign.check(key, result)


def test_what_a_campaign_computes_can_be(campaign: Campaign) -> None:
    from model.campaign.engine import Engine

    assert campaign.samples.labels is not None
    engine = Engine(campaign.network, campaign.samples.values, campaign.samples.labels)
    for task in list(campaign.tasks())[:2] + list(campaign.tasks())[-3:]:
        campaign.check(task.key, json.loads(json.dumps(campaign.run(task, engine))))


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_names_the_journal_and_leaves_whole_lines(tmp_path: Path, room: int) -> None:
    class Full(io.FileIO):
        left = room

        def write(self, data: Any) -> int:
            if not self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = super().write(data[: self.left])
            self.left -= taken
            return taken

    path = tmp_path / "journal.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.add("a", 1)
        before, journal._file = path.read_bytes(), Full(path, "ab")
        with pytest.raises(OSError, match="No space left") as full:
            journal.add("b", 2)
        assert full.value.filename == str(path)
        assert journal.results == {"a": 1}
        journal._file.close()
    assert path.read_bytes() == before
