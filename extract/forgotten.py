"""Who was forgotten, applied to whatever is loaded; and the list of them.

    forgotten.json ──▶ Forgotten ──▶ pages, the application's rows, bodies ──▶ raw
      a secret, keyed hashes              ╰── an address on the list ──▶ its token

The list holds no address: only hashes keyed with a secret of this state folder. A token
is made with the same secret, so it is the same wherever and whenever the address comes
again, and says nothing without it. An empty list costs one `if`.
"""

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from extract import app_tables
from extract.decode import Page
from extract.erased import erase_event

LIST = "forgotten.json"
"""Name of the list in the state folder."""

DOMAIN = "@forgotten.invalid"

_MEMBER_TOKEN = re.compile("forgotten-[a-z]{24}")
"""Where the mailbox of a token is: nowhere, by RFC 2606. A domain may name a person."""

_PLAIN_AT = re.compile("@")
_AT = re.compile("@|%40")
"""The middle of an address, as it stands in a text or, encoded, in a link."""

_LOCAL = re.compile(r'[^\s"<>,;:()\[\]\\@]+')
"""What may stand before it; matched backwards."""

_MAILBOX = re.compile(r"[\w-]+(?:\.[\w-]+)*")
"""What may stand after it."""

_HOST = re.compile(r"(?:[\w-]+\.)*[^\W\d_]+")
"""What of that is a domain, when something was put behind it, as in an id."""

_LONGEST = 320
"""Characters of what stands before; RFC 5321 allows 64."""

_BEFORE = re.compile(r"[^\w.+-]")
"""Ends what stands before an address without a space, as in `?to=ann@example.com`."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghjkmnpqrs")


class _List(msgspec.Struct):
    secret: str
    people: list[str] = []
    members: list[str] = []


@dataclass(frozen=True)
class Forgotten:
    """The people that were forgotten.

    Attributes:
        secret: What hashes and tokens are keyed with.
        people: Hashes of their addresses.
        members: Hashes of their ids in the application.
    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    people: Set[bytes] = frozenset()
    members: Set[bytes] = frozenset()

    @classmethod
    def of(cls, home: Path) -> Self:
        """Those of a state folder.

        Raises:
            OSError: There is a list and it can't be read.
            msgspec.DecodeError: It is none.
        """
        try:
            content = (home / LIST).read_bytes()
        except FileNotFoundError:
            return cls()
        read = msgspec.json.decode(content, type=_List)
        return cls(
            bytes.fromhex(read.secret),
            frozenset(map(bytes.fromhex, read.people)),
            frozenset(map(bytes.fromhex, read.members)),
        )

    def write(self, home: Path) -> None:
        """Writes the list, readable by its owner only, at one stroke.

        Raises:
            OSError: The state folder can't be written.
        """
        told = _List(
            self.secret.hex(),
            sorted(digest.hex() for digest in self.people),
            sorted(digest.hex() for digest in self.members),
        )
        new = home / f"{LIST}.new"
        new.unlink(missing_ok=True)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(msgspec.json.encode(told))
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(home / LIST)

    def and_(self, addresses: Iterable[str] = (), members: Iterable[str] = ()) -> Self:
        """These and others."""
        people = {self._digest("address", recipient_key(each)) for each in addresses}
        ids = {self._digest("member", each) for each in members}
        return replace(self, people=self.people | people, members=self.members | ids)

    def __bool__(self) -> bool:
        """Whether anybody was forgotten."""
        return bool(self.people)

    def token(self, address: str) -> str | None:
        """What an address is replaced by; None if nobody of it was forgotten.

        Spellings that differ stay different, and are one again as a recipient's key.
        """
        key = recipient_key(address)
        if self._digest("address", key) not in self.people:
            return None
        token = f"forgotten-{self._letters('token', key)}"
        bits = 0
        if address != key:
            bits = int.from_bytes(self._digest("spelling", address))
        spelled = (
            letter.upper() if bits >> at & 1 else letter
            for at, letter in enumerate(token)
        )
        return "".join(spelled) + DOMAIN

    def member(self, member_id: str) -> str | None:
        """What the application's id of a person is replaced by, if it is to be."""
        if self._digest("member", member_id) not in self.members:
            return None
        return self._member(member_id)

    def scrub(self, text: str) -> str:
        """A text with each forgotten address replaced, and the rest as it is.

        For ids that tell things apart: what is put in differs as they do.
        """
        if not self or not _may_name_someone(text):
            return text

        parts, done = [], 0
        for begin, end in _spans(text):
            for at, address in _addresses(text[begin:end]):
                token = self.token(address)
                if token is not None and done <= begin + at:
                    parts += [text[done : begin + at], token]
                    done = end
                    break
        return "".join((*parts, text[done:]))

    def instead_of(self, text: str) -> str | None:
        """What a text that holds a forgotten address is replaced by, whole.

        Texts that differ stay different. None if nobody is named.
        """
        token = self.token(text)
        if token is None and _may_name_someone(text) and not self._unknown(text):
            return f"forgotten-{self._letters('text', recipient_key(text))}{DOMAIN}"
        return token

    def is_named_in(self, text: str | bytes) -> bool:
        """Whether any text, JSON or other, holds a forgotten address."""
        if not self:
            return False
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return not self._unknown(_unescaped(text))

    def page(
        self,
        source: str,
        page: Page,
        variables: Sequence[str],
        keys: list[str] | None = None,
    ) -> None:
        """Takes forgotten people out of a page's events.

        Args:
            source: Whose events.
            page: The page; changed in place. Its dead letters stay: what they hold is
                their identity. Their rows go through `letters`.
            variables: Names under which the application's email id may stand.
            keys: Of its events, if there are any yet; changed in place.
        """
        events = page.events
        if not self or self._none_named(events.bodies):
            return
        for at, body in enumerate(events.bodies):
            if self._none_named([body]):
                continue
            events.bodies[at] = erase_event(source, body, self, variables)
            events.ids[at] = self.scrub(events.ids[at])
            if keys:
                keys[at] = self.scrub(keys[at])

    def letters(self, rows: pa.Table) -> pa.Table:
        """Empties the bodies of dead letters that name someone.

        Args:
            rows: Rows of `raw.dead_letters`.
        """
        if not self:
            return rows
        bodies = [
            "" if self.is_named_in(body) else body for body in rows["body"].to_pylist()
        ]
        at = rows.column_names.index("body")
        return rows.set_column(at, rows.schema.field(at), pa.array(bodies, pa.string()))

    def rows(
        self, batches: Iterator[pa.Table], table: app_tables.Table
    ) -> Iterator[pa.Table]:
        """Takes forgotten people out of the application's rows.

        Args:
            batches: Typed tables with the columns of `table`, whichever they are.
            table: What they are rows of.
        """
        if not self:
            yield from batches
            return
        for batch in batches:
            rows = batch
            for name, column in self._replaced(batch, table).items():
                at = rows.column_names.index(name)
                rows = rows.set_column(at, rows.schema.field(at), column)
            yield rows

    def _replaced(
        self, batch: pa.Table, table: app_tables.Table
    ) -> dict[str, pa.Array]:
        """The columns of a batch in which something is replaced."""
        texts: dict[str, list[str | None]] = {
            name: batch[name].to_pylist()
            for name, kind in table.columns.items()
            if kind == "text" and name in batch.column_names
        }
        changed: set[str] = set()

        def replace_by(name: str, at: int, other: str | None) -> None:
            if other is not None and other != texts[name][at]:
                texts[name][at] = other
                changed.add(name)

        for name, values in texts.items():
            if name == "member_id":
                continue
            replaced = self.instead_of if name == table.person else self.scrub
            for at, value in enumerate(values):
                if value is not None:
                    replace_by(name, at, replaced(value))
        for at, member_id in enumerate(texts.get("member_id", [])):
            if member_id is None:
                continue
            theirs = table.person in texts and _is_token(texts[table.person][at])
            other = self._member(member_id) if theirs else self.member(member_id)
            replace_by("member_id", at, other)
        return {name: pa.array(texts[name], pa.string()) for name in changed}

    def _member(self, member_id: str) -> str:
        if _MEMBER_TOKEN.fullmatch(member_id):
            return member_id  # of a forgetting that was cut short
        return f"forgotten-{self._letters('id', member_id)}"

    def _none_named(self, bodies: Sequence[bytes]) -> bool:
        """Whether no JSON document of some names anybody; asked of whole pages."""
        text = b'"'.join(bodies).decode("utf-8", "replace")
        return self._unknown(_unescaped(text))

    def _unknown(self, text: str) -> bool:
        """Whether nobody whom a text names was forgotten."""
        # Strings of JSON come again and again; each is looked at once.
        strings = {string for string in text.split('"') if "@" in string}
        if "%40" in text:
            strings |= {string for string in text.split('"') if "%40" in string}
        named = {
            address
            for string in strings
            for begin, end in _spans(string)
            for _, address in _addresses(string[begin:end])
        }
        hashed = (self._digest("address", recipient_key(each)) for each in named)
        return self.people.isdisjoint(hashed)

    def _digest(self, kind: str, text: str) -> bytes:
        return blake2b(
            text.encode("utf-8", "surrogatepass"),
            digest_size=16,
            key=self.secret,
            person=kind.encode(),
        ).digest()

    def _letters(self, kind: str, text: str) -> str:
        return self._digest(kind, text).hex().translate(_LETTERS)[:24]


def is_address(text: str) -> bool:
    """Whether a text is an address that can be found in others."""
    spans = list(_spans(text))
    is_whole = spans[:1] == [(0, len(text))] and not any(begin for begin, _ in spans)
    return is_whole and "%" not in text


def recipient_key(address: str) -> str:
    """An address as the models compare it (macros/recipient_key.sql).

    Beyond ASCII, SQL and Python differ on capitals, so SQL is asked.
    """
    if address.isascii():
        return address.strip(" ").lower()
    found = duckdb.execute("select lower(trim(?))", [address]).fetchone()
    return str(found[0]) if found else address


def _may_name_someone(text: str) -> bool:
    return "@" in text or "%40" in text


def _is_token(address: str | None) -> bool:
    return address is not None and address.endswith(DOMAIN)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text something stands that may be an address, the longest first."""
    middles = _AT if "%40" in text else _PLAIN_AT
    for middle in middles.finditer(text):
        at = middle.start()
        before = _LOCAL.match(text[max(at - _LONGEST, 0) : at][::-1])
        after = _MAILBOX.match(text, middle.end())
        if before and after:
            yield at - before.end(), after.end()
            # No domain ends in digits: what ends so may be one with a number behind.
            last = after[0].rpartition(".")[2]
            if not last.isalpha() and not last.lower().startswith("xn--"):
                host = _HOST.match(after[0])
                if host:
                    yield at - before.end(), middle.end() + host.end()


def _addresses(found: str) -> Iterator[tuple[int, str]]:
    """The addresses that such a piece of text may be.

    Yields:
        Where it begins in the piece, as far as that can be told; and the address.
    """
    plain = unquote(found) if "%" in found else found
    local = plain.rpartition("@")[0]
    for begin in (0, *(before.end() for before in _BEFORE.finditer(local))):
        if begin < len(local):
            yield begin if plain == found else 0, plain[begin:]


def _unescaped(text: str) -> str:
    """JSON's escapes as what they stand for."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(
        lambda escape: (
            chr(int(escape[1], 16))
            if escape[1]
            else " "
            if escape[2] in "bfnrt"
            else escape[2]
        ),
        text,
    )
