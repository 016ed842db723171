import pytest

from model.errors import HafnetError
from model.formats import FORMATS


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85"])
def test_only_ends_of_lines_end_a_line(separator: str) -> None:
    """Python's splitlines knows more of them than simulators do."""
    whole = FORMATS["hex"].write([1, 2, 3], 8).decode()
    with pytest.raises(HafnetError, match="1 lines, but 3 words need 3"):
        FORMATS["hex"].read(whole.replace("\n", separator).encode("latin-1"), 8, 3)
    for end in ("\n", "\r\n", "\r"):
        assert FORMATS["hex"].read(whole.replace("\n", end).encode(), 8, 3) == [1, 2, 3]
        assert FORMATS["hex"].read(whole.replace("\n", end).rstrip().encode(), 8, 3) == [1, 2, 3]


@pytest.mark.parametrize("name", ["hex", "coe", "mif"])
def test_a_long_line_is_not_put_whole_into_the_sentence(name: str) -> None:
    lines = FORMATS[name].write([1, 2], 4096).decode().splitlines()
    with pytest.raises(HafnetError) as caught:
        FORMATS[name].read("\n".join(line + "g" * 5000 for line in lines).encode(), 4096, 2)
    assert len(str(caught.value)) < 250
