"""What a page is made of: sections, their parts, and what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tallybook.report.pictures import Picture
from tallybook.report.tables import Table


@dataclass(frozen=True)
class Part:
    """Some tables and pictures that belong together.

    Attributes:
        title: Their heading; empty for none.
        says: A sentence about them; empty for none.
        items: In the order in which they are read.
    """

    title: str = ""
    says: str = ""
    items: Sequence[Table | Picture] = ()


@dataclass(frozen=True)
class Section:
    """One subject.

    Attributes:
        name: Its anchor.
        title: Its heading.
        says: What it is about, in a sentence or two.
        parts: What it shows.
    """

    name: str
    title: str
    says: str
    parts: Sequence[Part] = field(default_factory=tuple)
