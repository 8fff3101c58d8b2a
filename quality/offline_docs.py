"""Great Expectations' Data Docs, made readable without network.

    validations ──▶ Data Docs ──▶ no scripts, no foreign files, a style of our own

Their pages take styles and scripts from five hosts; without them they are unreadable.
What is left is plain HTML with one small style inside.
"""

import re
import shutil
from pathlib import Path

from great_expectations.data_context.data_context.ephemeral_data_context import (
    EphemeralDataContext,
)

_SITE = "tallybook"

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
nav, .cooltip, .btn, .modal, #ge-cta-footer, footer, .breadcrumb-item::before,
  .nav-tabs, svg { display: none }
.collapse, .tab-pane, .tab-content { display: block !important }
table { border-collapse: collapse; margin: .5em 0 1.5em; width: 100% }
th, td { border-bottom: 1px solid #8886; padding: .3em .6em; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
.badge, code { background: #8882; border-radius: .2em; padding: 0 .3em }
.alert { border-left: .3em solid #c60; padding: .5em 1em }
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
    return folder / "index.html"


def offline(page: str) -> str:
    """A page that asks nobody for anything."""
    for foreign in _FOREIGN:
        page = foreign.sub("", page)
    page = _URL.sub("none", _ADDRESS.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)
