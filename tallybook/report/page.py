"""The page: all sections in a template that escapes every text."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from tallybook.report import bounces, days, handoffs, leftovers, mail, sources, tally
from tallybook.report.published import Published

_HERE = Path(__file__).parent


def page(published: Published, found: tally.Tally) -> str:
    """Renders it.

    Args:
        published: What is read.
        found: The tally, which stands at the top.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(
        style=Markup((_HERE / "page.css").read_text()),  # noqa: S704 - our own file
        published=published,
        tally=found,
        sections=[
            tally.section(published, found),
            sources.section(published),
            mail.section(published),
            bounces.section(published),
            days.section(published),
            handoffs.section(published),
            leftovers.section(published),
        ],
    )
