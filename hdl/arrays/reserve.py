"""What of each array's rows is kept back for other things than weights and numbers, as all blocks of a layer see it."""

from dataclasses import dataclass

from model.mapping import Geometry


@dataclass(frozen=True)
class Reserve:
    """`spare_rows` of each array, and a signature row where it is `signed` (see `model.mapping.Geometry`); `entries` of
    the layer's table of rows that are remapped to spare ones.
    """

    spare_rows: int = 0
    signed: bool = False
    entries: int = 0

    @property
    def suffix(self) -> str:
        """What the names of blocks with this reserve end with: nothing where nothing is kept back."""
        return f"_spare{self.spare_rows}x{self.entries}" * (self.spare_rows > 0) + "_signed" * self.signed

    def geometry(self, rows: int, columns: int) -> Geometry:
        """Arrays of this size that keep it back."""
        return Geometry(rows, columns, self.spare_rows, self.signed)
