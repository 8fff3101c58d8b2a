"""Each series has one colour in all charts, of the eight that Okabe and Ito chose.

Whoever doesn't see all colours can tell them apart. Yellow and black are not used:
one is not seen on paper, the other not in the dark.
"""

_BLUE, _SKY, _GREEN = "#0072b2", "#56b4e9", "#009e73"
_VERMILION, _ORANGE, _PURPLE, _GREY = "#d55e00", "#e69f00", "#cc79a7", "#8c8c8c"

SERIES = {
    "Sent": _GREY,
    "Delivered": _BLUE,
    "Opened": _SKY,
    "Opened by humans": _SKY,
    "Clicked": _GREEN,
    "Bounced": _VERMILION,
    "Resolved": _BLUE,
    "By the bot": _SKY,
    "Handed over": _ORANGE,
    "Added up": _GREY,
}
"""By name, as it stands in legends."""

BOUNCES = {
    "Invalid Address": _VERMILION,
    "Mailbox Unavailable": _ORANGE,
    "Reputation": _BLUE,
    "Content": _SKY,
    "Technical": _GREEN,
    "Frequency or Volume Too High": _PURPLE,
    "Unclassified": _GREY,
}
"""By bounce class (seed `bounce_classes`)."""

SHAPES = {
    "Delivered": "circle",
    "Opened": "triangle-up",
    "Clicked": "square",
    "Bounced": "diamond",
    "Resolved": "circle",
    "By the bot": "triangle-up",
    "Handed over": "square",
}
"""Of points on lines, for whoever sees no colours."""
