"""Published figures to hold results against. They enter no formula."""

from typing import NamedTuple


class Anchor(NamedTuple):
    """What was published, and where; `checked` says against what."""

    claim: str
    value: float
    unit: str
    source: str
    checked: str


ABSTRACT = "abstract"
UNCHECKED = "not checked: the text was not at hand"

ERRORS_UNTRAINED = Anchor(
    "bit error rate that an ordinary binarized network tolerates",
    1e-4,
    "",
    "Hirtzlin et al., arXiv 1904.03652",
    ABSTRACT,
)
ERRORS_TRAINED = Anchor(
    "bit error rate tolerated after training with errors", 4e-2, "", "Hirtzlin et al., arXiv 1904.03652", ABSTRACT
)
PROGRAMMING_SAVED = Anchor(
    "programming energy saved in HfO2 RRAM at that rate", 30, "times", "Hirtzlin et al., arXiv 1904.03652", ABSTRACT
)
MRAM_ERRORS = Anchor(
    "bit error rate of ST-MRAM with little effect", 1e-3, "", "Hirtzlin et al., arXiv 1908.04085", ABSTRACT
)
MRAM_SAVED = Anchor(
    "energy of the ST-MRAM system saved, at most", 2, "times", "Hirtzlin et al., arXiv 1908.04085", ABSTRACT
)
CHIP_DEVICES = Anchor("memristors of a system chip", 32_768, "", "Jebali et al., Nat. Commun. 15, 741 (2024)", ABSTRACT)
CHIP_ENERGY = Anchor(
    "an inference of that chip at 0.7 V and 10 MHz", 45e-9, "J", "Jebali et al., Nat. Commun. 15, 741 (2024)", UNCHECKED
)

ANCHORS = (
    ERRORS_UNTRAINED,
    ERRORS_TRAINED,
    PROGRAMMING_SAVED,
    MRAM_ERRORS,
    MRAM_SAVED,
    CHIP_DEVICES,
    CHIP_ENERGY,
)
