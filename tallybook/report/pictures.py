"""Altair's charts as still pictures, one for wide pages and paper, one for phones.

    chart at a width ──▶ Vega-Lite ──▶ SVG (vl-convert) ──▶ data: address of an <img>

A picture in an <img> runs nothing, whatever a text in it says, and leaves no stray
words behind in a mail program that knows no SVG. It follows light and dark by itself.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import altair as alt
import vl_convert

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

WIDE, NARROW = 912, 326
"""Pixels across."""

_LETTERS = {WIDE: 13, NARROW: 12}

_INK = "svg{color:#3b3b3b}@media(prefers-color-scheme:dark){svg{color:#cfcfcf}}"

_UNUSED = {"aria-hidden", "aria-roledescription", "class", "pointer-events", "role"}

ET.register_namespace("", "http://www.w3.org/2000/svg")


@dataclass(frozen=True)
class Picture:
    """A chart.

    Attributes:
        alt: What it shows, for whoever doesn't see it.
        wide: Address of the wide one.
        narrow: Address of the narrow one.
    """

    alt: str
    wide: str
    narrow: str


def drawn(rows: list[dict[str, Any]]) -> alt.Chart:
    """A chart of some rows, with nothing said yet of how they look."""
    return alt.Chart(alt.InlineData(values=rows))


def counts(width: int) -> alt.Axis:
    """An axis of whole numbers."""
    return alt.Axis(tickCount=3 if width == NARROW else 5, format=",d", tickMinStep=1)


def colours(field: str, of: dict[str, str]) -> alt.Color:
    """Colours of series, in the order of their names.

    Args:
        field: Holds the series' name.
        of: Colour by name.
    """
    scale = alt.Scale(domain=list(of), range=list(of.values()))
    return alt.Color(f"{field}:N", scale=scale)


def names(labels: Iterable[str], width: int, **further: Any) -> alt.Axis:
    """An axis of names, with room for them in whichever font they are drawn.

    Args:
        labels: All of them.
        width: Of the picture.
        **further: What else the axis is told.
    """
    longest = 110 if width == NARROW else 260
    # The widest common fonts need 0.62 of its height for a letter; Vega knows none.
    room = min(0.62 * _LETTERS[width] * max(map(len, labels), default=0), 1.2 * longest)
    return alt.Axis(labelLimit=longest, labelPadding=8, minExtent=room + 10, **further)


def picture(
    says: str,
    draw: Callable[[int], Chart],
    columns: tuple[int, int] = (6, 1),
) -> Picture:
    """Draws a chart at both widths.

    Args:
        says: What it shows.
        draw: Makes the chart of a width in pixels.
        columns: Of its legend, at the wide one and at the narrow one.
    """
    widths = zip((WIDE, NARROW), columns, strict=True)
    return Picture(says, *(_address(draw(width), width, of) for width, of in widths))


def _address(chart: Chart, width: int, columns: int) -> str:
    dressed = (
        chart.properties(width=width)
        .configure(
            aria=False,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
            background="transparent",
            font="system-ui, sans-serif",
            padding=2,
        )
        .configure_view(stroke=None)
        .configure_axis(
            domain=False,
            gridColor="currentColor",
            gridOpacity=0.15,
            labelColor="currentColor",
            labelFontSize=_LETTERS[width],
            labelPadding=6,
            ticks=False,
            title=None,
        )
        .configure_legend(
            labelColor="currentColor",
            labelFontSize=_LETTERS[width],
            labelLimit=220,
            columnPadding=32,
            columns=columns,
            orient="top",
            title=None,
        )
        .configure_text(color="currentColor", fontSize=_LETTERS[width])
        .configure_rule(color="currentColor")
    )
    svg = vl_convert.vegalite_to_svg(dressed.to_dict(), allowed_base_urls=[])
    return f"data:image/svg+xml;base64,{b64encode(_lean(svg)).decode()}"


def _lean(svg: str) -> bytes:
    """A drawing without what only a page with scripts would use, at half the size."""
    root = ET.fromstring(svg)  # noqa: S314 - drawn here
    for element in list(root.iter()):
        for name in _UNUSED.intersection(element.keys()):
            del element.attrib[name]
        for child in list(element):
            if child.get("display") == "none":
                element.remove(child)
    style = ET.Element("style")
    style.text = _INK
    root.insert(0, style)
    drawn: bytes = ET.tostring(root)
    return drawn
