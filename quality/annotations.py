"""What a CI server shows beside the code: one line for each check that is not green."""

from collections.abc import Iterator, Mapping

from quality.check import Checked
from quality.junit import line
from quality.results import Result

_ESCAPED = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_SHOWN = 5


def annotations(checked: Checked, environment: Mapping[str, str]) -> Iterator[str]:
    """The lines, if the checks run where somebody shows them.

    Args:
        checked: The results.
        environment: Says where: GITHUB_ACTIONS is `true` on GitHub, and on Gitea and
            Forgejo, which read the same lines.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    for result in checked.results:
        if result.status in ("failed", "warned"):
            yield _annotation(result)


def _annotation(result: Result) -> str:
    level = "error" if result.status == "failed" else "warning"
    told = [
        f"{result.differing} of {result.compared} cells differ",
        *map(line, result.cells[:_SHOWN]),
    ]
    title = f"tallybook check: {result.name}".replace(",", "%2C").replace(":", "%3A")
    return f"::{level} title={title}::{_escaped(chr(10).join(told))}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in text)
