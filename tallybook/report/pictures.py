"""Altair's charts as still pictures, one for wide pages and paper, one for phones.

    chart at a width ──▶ Vega-Lite ──▶ SVG (vl-convert) ──▶ data: address of an <img>

A picture in an <img> runs nothing, whatever a text in it says, and leaves no stray
words behind in a mail program that knows no SVG. It follows light and dark by itself.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import altair as alt
import vl_convert

WIDE, NARROW = 700, 320
"""Pixels across."""

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


def picture(says: str, draw: Callable[[int], alt.LayerChart | alt.Chart]) -> Picture:
    """Draws a chart at both widths.

    Args:
        says: What it shows.
        draw: Makes the chart of a width in pixels.
    """
    return Picture(says, *(_address(draw(width), width) for width in (WIDE, NARROW)))


def _address(chart: alt.LayerChart | alt.Chart, width: int) -> str:
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
            labelFontSize=12,
            ticks=False,
            title=None,
        )
        .configure_legend(
            labelColor="currentColor",
            labelFontSize=12,
            labelLimit=220,
            columns=4 if width == WIDE else 2,
            orient="top",
            title=None,
        )
        .configure_text(color="currentColor", fontSize=11)
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
