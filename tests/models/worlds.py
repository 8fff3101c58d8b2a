"""Small, crowded worlds: few names and few instants, so that everything collides.

World = Load, Load, …      what is written, and when each is committed
        Build, Build, …    what is built after which of them
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import strategies as st

Row = dict[str, Any]

DOMAINS = ["mg.one.example", "mg.two.example"]
ACCOUNTS = ["acme", "bolt", "cord"]
ZONES = [
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
]
"""Midnight comes twice in Havana and is missing in Santiago; Apia lacks a day."""

ADDRESSES = [
    "ann@x.example",
    "Ann@x.example",
    "bo@x.example",
    "cy@y.example",
    " cy@y.example",
    "İda@y.example",
]
"""Six spellings of four recipients, one of whom SQL and Python lower differently."""

EMAILS = ["e1", "e2", "e3"]
MESSAGES = ["M1@mg", *(f"m{number}@mg" for number in range(1, 11))]
PROVIDER_MESSAGES = [f"p{number}" for number in range(1, 6)]
"""The providers' own ids: few, so that many messages share one."""

YEARS = [2011, 2025]
SUBJECTS = ["Hello", "Good-bye"]


def at(text: str) -> datetime:
    """An instant in UTC from its ISO text without a zone."""
    return datetime.fromisoformat(f"{text}+00:00")


EDGES = [
    at("2025-11-02T12:00:00"),
    at("2025-11-02T04:00:00"),  # the day begins in New York and Havana
    at("2025-11-02T05:00:00"),  # Havana's clock goes back to midnight
    at("2025-11-03T05:00:00"),  # New York's day of 25 hours ends
    at("2025-09-07T04:00:00"),  # Santiago has no midnight: the day begins at 01:00
    at("2025-11-02T18:15:00"),  # the day begins in Kathmandu
    at("2011-12-30T10:00:00"),  # Apia skips a day
]
INSTANTS = [edge + timedelta(microseconds=us) for edge in EDGES for us in (0, -1, 1)]

LONG_TEXT = "so long " * 300

KINDS: list[tuple[str, Row]] = [
    ("delivered", {"delivery-status": {"code": 250, "attempt-no": 1}}),
    ("accepted", {}),
    ("opened", {"client-info": {"bot": "", "user-agent": "Mail"}, "ip": "192.0.2.1"}),
    ("opened", {"client-info": {"bot": "apple"}}),
    ("opened", {"client-info": {}}),
    ("clicked", {"url": "https://x.example/a", "client-info": {"bot": "generic"}}),
    ("clicked", {"url": "https://x.example/b"}),
    (
        "failed",
        {
            "severity": "temporary",
            "delivery-status": {"code": "452", "message": "", "attempt-no": 2},
        },
    ),
    (
        "failed",
        {"delivery-status": {"code": 400, "enhanced-code": "4.2.2", "message": "Full"}},
    ),
    (
        "failed",
        {
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {
                "code": 550,
                "enhanced-code": "5.1.1",
                "message": LONG_TEXT,
            },
            "flags": {"is-delayed-bounce": True},
        },
    ),
    (
        "failed",
        {
            "severity": "permanent",
            "delivery-status": {"code": 554, "enhanced-code": "5.2.2"},
        },
    ),
    ("failed", {"severity": "permanent", "delivery-status": {"code": 999}}),
    (
        "failed",
        {
            "severity": "permanent",
            "reason": "old",
            "delivery-status": {"code": 602, "description": "Too old"},
        },
    ),
    (
        "failed",
        {
            "severity": "permanent",
            "reason": "suppress-bounce",
            "delivery-status": {"code": 605, "message": "Not delivering"},
        },
    ),
    (
        "failed",
        {
            "severity": "permanent",
            "reason": "suppress-complaint",
            "delivery-status": {"code": 607},
        },
    ),
    ("failed", {"severity": "temporary", "reason": "blocked"}),
    ("rejected", {"reject": {"reason": "Sandbox"}}),
    ("complained", {}),
    ("unsubscribed", {}),
    ("resubscribed", {}),
    ("stored", {}),
    ("list_member_uploaded", {}),
]
"""Names of Mailgun's events and what is particular to their bodies."""

SENDGRID_KINDS: list[tuple[str, Row]] = [
    ("processed", {}),
    ("delivered", {"response": "250 2.0.0 OK", "ip": "198.51.100.1", "tls": 1}),
    ("deferred", {"response": "450 4.2.1 Slow down", "attempt": "5"}),
    (
        "bounce",
        {
            "type": "bounce",
            "reason": "550 5.1.1 Nobody",
            "status": "5.1.1",
            "bounce_classification": "Invalid Address",
        },
    ),
    ("bounce", {"type": "blocked", "reason": "550 5.7.1 Policy"}),
    (
        "bounce",
        {
            "type": "expired",
            "reason": "no answer",
            "bounce_classification": "Frequency or Volume Too High",
        },
    ),
    ("bounce", {"reason": LONG_TEXT, "bounce_classification": "Something new"}),
    ("dropped", {"reason": "Bounced Address", "status": "5.0.0"}),
    ("dropped", {"reason": "Over quota"}),
    ("open", {"sg_machine_open": True, "useragent": "Mail", "ip": "192.0.2.1"}),
    ("open", {"sg_machine_open": False}),
    ("open", {}),
    (
        "click",
        {"url": "https://x.example/", "url_offset": {"index": 1, "type": "html"}},
    ),
    ("spamreport", {}),
    ("unsubscribe", {"asm_group_id": 7}),
    ("group_unsubscribe", {"asm_group_id": 7}),
    ("group_resubscribe", {"asm_group_id": 8}),
    ("account_status_change", {"type": "compliance_suspend"}),
    ("levitated", {}),
]
SENDGRID_SPEAKS_OF_MESSAGES = (
    "processed",
    "delivered",
    "deferred",
    "bounce",
    "dropped",
)
"""Only these carry the Message-ID."""

SENDGRID_APPENDS = ["", ".recvd-5f54b5d587-1.0", ".filter0001.16648", ".0123p1mdw1"]

POSTMARK_KINDS: list[tuple[str, Row]] = [
    ("Delivery", {"Details": "smtp;250 2.0.0 OK", "Tag": "welcome"}),
    ("Delivery", {}),
    ("Bounce", {"Type": "HardBounce", "Details": "smtp;550 5.2.2 Full"}),
    ("Bounce", {"Type": "SoftBounce", "Details": "", "Description": "Full"}),
    ("Bounce", {"Type": "Transient"}),
    ("Bounce", {"Type": "Blocked", "Details": "smtp;550 5.7.1 Policy"}),
    ("Bounce", {"Type": "BadEmailAddress", "Subject": SUBJECTS[0]}),
    ("Bounce", {"Type": "AutoResponder"}),
    ("Bounce", {"Type": "NeverSeen", "Details": "smtp;452 Later"}),
    ("SpamComplaint", {"Type": "SpamComplaint"}),
    ("Open", {"Geo": {"IP": "192.0.2.1"}, "UserAgent": "Mail"}),
    ("Click", {"OriginalLink": "https://x.example/", "ClickLocation": "HTML"}),
    ("SubscriptionChange", {"SuppressSending": True, "MessageStream": "outbound"}),
    ("SubscriptionChange", {"SuppressSending": False, "MessageStream": "outbound"}),
    (
        "SubscriptionChange",
        {"SuppressSending": True, "SuppressionReason": "HardBounce"},
    ),
    ("Levitation", {}),
]

MORE_VOCABULARY: list[Row] = [
    {
        "provider": "mailgun",
        "provider_event_name": "failed",
        "condition": "reason=blocked",
        "event_type": "bounced",
        "severity": "temporary",
        "reject_reason": "blocked",
        "counts_in_delivery": "true",
        "says_sent": "false",
        "label": "Blocked for now",
    },
    {
        "provider": "mailgun",
        "provider_event_name": "resubscribed",
        "condition": None,
        "event_type": "subscribed",
        "severity": None,
        "reject_reason": None,
        "counts_in_delivery": "true",
        "says_sent": "false",
        "label": "Subscribed again",
    },
]
"""What Mailgun doesn't have and the rules speak of: temporary bounces."""


@dataclass(frozen=True)
class Load:
    """What one load writes.

    Attributes:
        number: Its place in the order of writing, from 0.
        commits_before: The build by which it is in dlt's log; later than the build
            by which it is written when it was interrupted.
        events: Rows of `raw.<provider>_events`, with `payload` as a dict.
        app: Rows of the application's tables.
        settings: Settings, by `<source>.<name>` if not of Mailgun.
        years: Years whose local days it brings.
    """

    number: int
    commits_before: int
    events: list[Row]
    app: dict[str, list[Row]]
    settings: dict[str, str]
    years: list[int]


Mode = Literal["all", "tables", "whole", "part"]


@dataclass(frozen=True)
class Build:
    """One build, and what is written before it.

    Attributes:
        loads: Loads that are written before it.
        mode: How it is built: everything, the tables alone (the views are there),
            everything whole, or only some models, as when it died half-way or
            someone asked for a part.
        selection: dbt's selection, for the last of these.
    """

    loads: list[Load]
    mode: Mode
    selection: str = ""


@dataclass(frozen=True)
class World:
    """What happens to one warehouse.

    Attributes:
        starts_built: Whether it was built once before anything was loaded.
        days_pass: Whether two days pass after each build, so that the ledger forgets.
        builds: The builds, in order.
    """

    starts_built: bool
    days_pass: bool
    builds: list[Build]

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Its outline, for hypothesis; all of it would fill pages."""
        printer.text("<" + " | ".join(_outline(build) for build in self.builds) + ">")


def _outline(build: Build) -> str:
    loads = (
        f"load {load.number} of {len(load.events)} events"
        f" and {', '.join(load.app) or 'no application'}"
        f"{f', {load.settings}' if load.settings else ''}"
        f", committed before build {load.commits_before}"
        for load in build.loads
    )
    return "; ".join([*loads, f"build {build.mode} {build.selection}".rstrip()])


MODES: list[Mode] = ["tables", "tables", "all", "part", "part", "whole"]

PARTS = [
    "fct_message_events",
    "fct_recipient_status",
    "fct_delivery_daily",
    "fct_message_events+",
    "+fct_message_events",
    "+int_recipients__touched",
    "+fct_recipient_status",
    "+int_emails__touched",
    "+int_account_days__touched",
    "+int_email_recipients__derived",
    "int_recipients__touched+",
]
"""Selections that someone types, or that a build which dies has finished."""


def _flag(one_in: int) -> st.SearchStrategy[bool]:
    return st.integers(0, one_in - 1).map(lambda drawn: drawn == one_in - 1)


def _maybe(values: list[Any], one_in: int) -> st.SearchStrategy[Any]:
    """One of the values; None once in so many times."""
    return st.one_of(*[st.sampled_from(values)] * (one_in - 1), st.none())


@st.composite
def _events(
    draw: st.DrawFn, instants: list[datetime], providers: tuple[str, ...]
) -> Row:
    of = {
        "mailgun": _mailgun_events,
        "sendgrid": _sendgrid_events,
        "postmark": _postmark_events,
    }
    event: Row = draw(of[draw(st.sampled_from(providers))](instants))
    return {
        **event,
        "received_at": at("2025-11-04T00:00:00")
        + timedelta(seconds=draw(st.integers(0, 2))),
    }


@st.composite
def _sendgrid_events(draw: st.DrawFn, instants: list[datetime]) -> Row:
    name, body = draw(st.sampled_from(SENDGRID_KINDS))
    occurred_at = draw(st.sampled_from(instants)).replace(microsecond=0)
    payload: Row = {"event": name, "timestamp": int(occurred_at.timestamp()), **body}
    payload |= draw(_arguments())
    if draw(st.integers(0, 11)):
        payload["email"] = draw(st.sampled_from(ADDRESSES))
    if draw(st.integers(0, 5)):
        own, end = draw(_PROVIDER_IDS), draw(st.sampled_from(SENDGRID_APPENDS))
        payload["sg_message_id"] = own + end
    if name in SENDGRID_SPEAKS_OF_MESSAGES and draw(st.integers(0, 3)):
        payload["smtp-id"] = f"<{draw(st.sampled_from([*MESSAGES, 'unknown@mg']))}>"
    category = draw(st.sampled_from([None, "news", ["news", "b"], []]))
    if category is not None:
        payload["category"] = category
    return _webhook_event(draw, "sendgrid", name, occurred_at, payload)


@st.composite
def _postmark_events(draw: st.DrawFn, instants: list[datetime]) -> Row:
    name, body = draw(st.sampled_from(POSTMARK_KINDS))
    payload: Row = {"RecordType": name, "Metadata": draw(_arguments()), **body}
    who = "Email" if name in ("Bounce", "SpamComplaint") else "Recipient"
    payload[who] = draw(st.sampled_from(ADDRESSES))
    if draw(st.integers(0, 5)):
        payload["MessageID"] = draw(_PROVIDER_IDS)
    occurred_at = draw(st.sampled_from(instants))
    return _webhook_event(draw, "postmark", name, occurred_at, payload)


def _webhook_event(
    draw: st.DrawFn, provider: str, name: str, occurred_at: datetime, payload: Row
) -> Row:
    event_id = f"{provider}{draw(st.integers(0, 90))}"
    return {
        "provider": provider,
        "event_key": event_id,
        "domain": draw(st.sampled_from([None, *DOMAINS])),
        "event_id": event_id,
        "event_name": name,
        "occurred_at": occurred_at,
        "payload": payload,
    }


@st.composite
def _arguments(draw: st.DrawFn) -> Row:
    """What the application puts into a message."""
    given = draw(st.sampled_from([None, None, None, None, *EMAILS, "gone", ""]))
    if given is None:
        return {}
    variable = draw(st.sampled_from(["email-id", "email_id", "mailing"]))
    return {variable: given, "other": 1}


_PROVIDER_IDS = st.sampled_from([*PROVIDER_MESSAGES, "unknown"])


@st.composite
def _mailgun_events(draw: st.DrawFn, instants: list[datetime]) -> Row:
    name, body = draw(st.sampled_from(KINDS))
    payload: Row = {"event": name, **body}
    address = draw(st.sampled_from(ADDRESSES))
    headers: Row = {"subject": draw(st.sampled_from(SUBJECTS))}
    if name == "rejected":
        headers["to"] = f'"Doe, Ann (at x)" <{address.strip()}>'
    elif name == "stored":
        payload["message"] = {"recipients": [address]}
    elif draw(st.integers(0, 11)):
        payload["recipient"] = address
    message_id = draw(_maybe([*MESSAGES, "unknown@mg"], 4))
    if message_id:
        headers["message-id"] = draw(st.sampled_from([message_id, f"<{message_id}>"]))
    given = draw(st.sampled_from([None, None, None, *EMAILS, "gone", ""]))
    if given is not None:
        variable = draw(st.sampled_from(["email-id", "email_id", "mailing"]))
        payload["user-variables"] = {variable: given, "other": 1}
    payload["message"] = {**payload.get("message", {}), "headers": headers}
    payload["tags"] = draw(st.sampled_from([["a"], []]))
    payload["envelope"] = {"sending-ip": "198.51.100.1"}
    occurred_at = draw(st.sampled_from(instants))
    event_id = f"id{draw(st.integers(0, 60))}"
    domain = draw(st.sampled_from(DOMAINS))
    return {
        "event_key": f"{domain}:{occurred_at:%Y-%m-%d}:{event_id}",
        "domain": domain,
        "event_id": event_id,
        "event_name": name,
        "occurred_at": occurred_at,
        "payload": payload,
    }


_ACCOUNTS = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(ACCOUNTS),
        "reporting_timezone": st.sampled_from([*ZONES, *ZONES, "utc", "PST", None]),
        "sending_domain": st.sampled_from([*DOMAINS, "MG.One.example", None]),
    }
)
_MAILINGS = st.fixed_dictionaries(
    {
        "email_id": st.sampled_from(EMAILS),
        "account_id": st.sampled_from([*ACCOUNTS, "gone", None]),
        "notification_id": st.sampled_from([None, "n1"]),
        "subject": st.sampled_from(SUBJECTS),
        "newsletter_id": st.sampled_from([None, "weekly", "daily"]),
        "track_opens": st.booleans(),
        "submitted_at": st.sampled_from(INSTANTS),
    }
)
_BATCHES = st.fixed_dictionaries(
    {
        "provider_message_id": st.sampled_from(
            [*MESSAGES, "<m2@mg>", *PROVIDER_MESSAGES]
        ),
        "email_id": st.sampled_from(EMAILS),
    }
)
_RECIPIENTS = st.fixed_dictionaries(
    {
        "email_id": st.sampled_from(EMAILS),
        "member_email": st.sampled_from(ADDRESSES),
        "member_id": st.sampled_from(["ann", "bo", None]),
        "message_id": st.one_of(
            st.sampled_from([None, *MESSAGES, *PROVIDER_MESSAGES[:2]]),
            st.sampled_from([f"<{message_id}>" for message_id in MESSAGES]),
        ),
        "sent_at": st.sampled_from(INSTANTS),
    }
)
ALL_DOMAINS = {"domains": '["mg.one.example", "mg.two.example"]'}

_SETTINGS = st.sampled_from(
    [
        {},
        {},
        {},
        ALL_DOMAINS,
        {"email_id_variables": '["mailing"]'},
        {"email_id_variables": '["email_id", "mailing", "email-id"]'},
        {"timezone": "Asia/Kathmandu"},
        {"timezone": "America/Havana"},
        {"timezone": "utc"},
        {"domains": '["mg.one.example"]'},
        {"sendgrid.email_id_variables": '["mailing"]'},
        {"postmark.email_id_variables": '["mailing", "email-id"]'},
        {"sendgrid.domains": '["mg.one.example", "mg.sg.example"]'},
        {"sendgrid.timezone": "America/Santiago"},
    ]
)


_TABLES: list[tuple[str, st.SearchStrategy[Row], int]] = [
    ("accounts", _ACCOUNTS, 7),
    ("emails", _MAILINGS, 12),
    ("email_batches", _BATCHES, 6),
    ("email_recipients", _RECIPIENTS, 30),
]
"""The application's tables, and how many rows and changes of rows they get at most."""


@st.composite
def worlds(
    draw: st.DrawFn,
    *,
    most_builds: int = 3,
    providers: tuple[str, ...] = ("mailgun", "sendgrid", "postmark"),
) -> World:
    """Worlds of a hundred events or so.

    Args:
        draw: Draws from a strategy.
        most_builds: Builds at most; two at least.
        providers: Whose events there are.
    """
    count = draw(st.integers(2, most_builds))
    before = sorted(
        draw(st.lists(st.integers(0, count - 1), min_size=count + 1, max_size=7))
    )
    loads = [_load(draw, number, build, count) for number, build in enumerate(before)]
    _deal_events(draw, loads, providers)
    application = draw(st.sampled_from(["early", "early", "late", "none"]))
    if application != "none":
        _deal_rows(draw, loads[len(loads) // 2 :] if application == "late" else loads)
    starts_built = draw(st.booleans())
    builds = []
    for number in range(count):
        mode = draw(st.sampled_from(MODES)) if starts_built or number else "all"
        written = [load for load in loads if before[load.number] == number]
        selection = draw(st.sampled_from(PARTS)) if mode == "part" else ""
        builds.append(Build(written, mode, selection))
    return World(starts_built, days_pass=draw(st.booleans()), builds=builds)


def _load(draw: st.DrawFn, number: int, before: int, builds: int) -> Load:
    """An empty load; one in five commits one or two builds late."""
    late = draw(st.integers(1, 2)) if draw(_flag(5)) else 0
    is_first = number == 0
    return Load(
        number=number,
        commits_before=min(before + late, builds),
        events=[],
        app={},
        settings=ALL_DOMAINS if is_first else draw(_SETTINGS),
        years=draw(st.sampled_from([YEARS, YEARS[1:]])) if is_first else YEARS,
    )


def _deal_events(
    draw: st.DrawFn, loads: list[Load], providers: tuple[str, ...]
) -> None:
    """Deals events to loads; one that is there already makes no new row."""
    seen = set()
    few = st.lists(st.sampled_from(INSTANTS), min_size=5, max_size=9, unique=True)
    events = st.lists(_events(draw(few), providers), min_size=80, max_size=140)
    for event in draw(events):
        if event["event_key"] not in seen:
            seen.add(event["event_key"])
            draw(st.sampled_from(loads)).events.append(event)


def _deal_rows(draw: st.DrawFn, loads: list[Load]) -> None:
    """Deals rows of the application to loads; a later load brings changes."""
    for name, rows, most in _TABLES:
        for row in draw(st.lists(rows, min_size=most // 2, max_size=most)):
            load = draw(st.sampled_from(loads))
            written_at = at("2025-11-04T00:00:00") + timedelta(
                minutes=load.number, seconds=draw(st.integers(0, 2))
            )
            deleted_at = written_at if draw(_flag(6)) else None
            load.app.setdefault(name, []).append(
                {**row, "updated_at": written_at, "deleted_at": deleted_at}
            )
