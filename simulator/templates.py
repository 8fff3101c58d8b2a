"""Kinds of event, each as the text of the JSON body that it has.

A template is written as the event that it stands for. In it, `"{word}"` inside a
text is filled with a piece of JSON text (already escaped), and a whole value
`"<word>"` with a piece of JSON. Filling a template is one `%` on a string, which is
what lets a million bodies be made in seconds.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One kind of event.

    Attributes:
        name: The provider's name of the event.
        statistic: Its place in Mailgun's statistics; empty if it has none there.
        text: What `%` fills; `text % values` is the JSON body.
        clients: The `client-info` to choose from, as JSON; empty if it has none.
    """

    name: str
    statistic: tuple[str, ...]
    text: str
    clients: tuple[str, ...] = ()


def written(body: Mapping[str, Any]) -> str:
    """An event with its words in brackets as a text that `%` fills."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("%", "%%")
    text = re.sub(r'"<(\w+)>"', r"%(\1)s", text)
    return re.sub(r"\{(\w+)\}", r"%(\1)s", text)
