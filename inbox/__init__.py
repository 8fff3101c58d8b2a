"""The durable inbox: what the door has acknowledged, until the warehouse holds it.

collector ──▶ Writer ──▶ segments ──▶ Inbox.read ──▶ extract ──▶ raw
╰──▶ archive, compressed, for a set time
"""

from inbox.archive import Archive
from inbox.reader import Damage, Inbox, Place, Received
from inbox.records import LARGEST, Frame, Record, new_request_id
from inbox.writer import Writer

__all__ = [
    "LARGEST",
    "Archive",
    "Damage",
    "Frame",
    "Inbox",
    "Place",
    "Received",
    "Record",
    "Writer",
    "new_request_id",
]
