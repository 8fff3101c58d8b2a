"""Great Expectations' Data Docs, made readable without network.

    validations ──▶ Data Docs ──▶ no scripts, no foreign files, a style of our own

Their pages take styles and scripts from seven hosts, and their first page is made by
a script; without network both are unreadable. What is left is plain HTML with one small
style inside, and a first page of our own.
"""

import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path

from great_expectations.data_context.data_context.ephemeral_data_context import (
    EphemeralDataContext,
)

_SITE = "tallybook"

_PREFIX = "tallybook-"
"""What pages' names begin with: the data source."""

_FAILED = re.compile(r"Status:.{0,120}Failed", re.DOTALL)

_FOREIGN = (
    re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<link\b[^>]*>", re.IGNORECASE),
    re.compile(r"<img\b[^>]*\bsrc=\"https?:[^>]*>", re.IGNORECASE),
    re.compile(r"@import[^;]*;"),
)
_ADDRESS = re.compile(r"(href|src|action)=([\"'])https?:[^\"']*\2", re.IGNORECASE)
_URL = re.compile(r"url\(\s*['\"]?https?:[^)]*\)", re.IGNORECASE)

_STYLE = """<style>
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75em; margin: 0 auto;
  padding: 1em }
nav, .btn, .modal, .card, #ge-cta-footer, footer, .breadcrumb-item::before,
  .nav-tabs, svg, .cooltip .top, [data-toggle=collapse] { display: none }
.fa-check-circle::before { content: "\\2713" } .fa-times::before { content: "\\2717" }
.fa-exclamation-triangle::before { content: "!" }
i { font-style: normal; font-weight: bold }
.collapse, .tab-pane, .tab-content { display: block !important }
table { border-collapse: collapse; margin: .5em 0 1.5em; width: 100% }
th, td { border-bottom: 1px solid #8886; padding: .3em .6em; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
.badge, code { background: #8882; border-radius: .2em; padding: 0 .3em }
.alert { border-left: .3em solid #8888; padding: .1em 1em }
h5, .h5 { font-size: 1.1em }
.text-success { color: #06803c } .text-danger { color: #c33 }
.text-warning { color: #a60 }
</style>"""


def write_docs(context: EphemeralDataContext, folder: Path) -> Path:
    """Writes the pages of all validations of a context, in place of older ones.

    Args:
        context: Has run its checkpoints.
        folder: Where to.

    Returns:
        The first page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    context.add_data_docs_site(
        _SITE,
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.build_data_docs(site_names=[_SITE])
    shutil.rmtree(folder / "static", ignore_errors=True)
    for page in folder.rglob("*.html"):
        page.write_text(offline(page.read_text("utf-8")), "utf-8")
    index = folder / "index.html"
    index.write_text("".join(_index(folder)), "utf-8")
    return index


def _index(folder: Path) -> Iterator[str]:
    """The first page: each validation of each suite, the failed ones first."""
    found = []
    for page in (folder / "validations").rglob("*.html"):
        has_failed = _FAILED.search(page.read_text("utf-8")) is not None
        address = page.relative_to(folder).as_posix()
        found.append((not has_failed, page.stem.removeprefix(_PREFIX), address))
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data Docs of Tallybook</title>{_STYLE}</head><body>"
        "<h1>What each table must look like</h1>"
        "<p>One line for each frame of rows that was looked at. A warning counts as "
        "not fulfilled here; <code>tallybook check</code> tells them apart.</p>"
        "<table><tr><th></th><th>suite</th></tr>"
    )
    for is_good, name, address in sorted(found):
        mark = "check-circle text-success" if is_good else "times text-danger"
        yield (
            f'<tr><td><i class="fas fa-{mark}"></i> '
            f"{'fulfilled' if is_good else 'not fulfilled'}</td>"
            f'<td><a href="{escape(address)}">{escape(name)}</a></td></tr>'
        )
    yield "</table></body></html>"


def offline(page: str) -> str:
    """A page that asks nobody for anything."""
    for foreign in _FOREIGN:
        page = foreign.sub("", page)
    page = _URL.sub("none", _ADDRESS.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)
