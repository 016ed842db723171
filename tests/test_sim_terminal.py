import io

import pytest

from sim.terminal import take_every_character


@pytest.mark.parametrize(
    ("encoding", "text", "data"),
    [
        ("ascii", "0 … 1 ± 2 µA μA ×3 ≥ ↓ é 😀", b"0 ... 1 +/- 2 uA uA x3 >= v ? ?"),
        ("cp1252", "… ± µ μ ≥ ü", "… ± µ u >= ü".encode("cp1252")),
        ("utf-8", "… ± µ μ ≥ ü", "… ± µ μ ≥ ü".encode()),
        ("ascii", "caf\udce9 \ud800", b"caf\xe9 ?"),
        ("utf-8", "caf\udce9 \ud800", b"caf\xe9 ?"),
    ],
)
def test_a_stream_takes_every_character(encoding: str, text: str, data: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    take_every_character(stream)
    stream.write(text)
    stream.flush()
    assert raw.getvalue() == data


def test_a_stream_of_another_kind_is_left_alone() -> None:
    stream = io.StringIO()
    take_every_character(stream)
    stream.write("±")
    assert stream.getvalue() == "±"
