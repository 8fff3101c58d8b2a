"""Documents that providers might send and hardly do, in raw and on the lake.

They are of a load that never commits, as a landing leaves it which was killed before it
wrote the log: staging shows them, and no model may take them.
"""

from pathlib import Path

import duckdb

MAILGUN = [
    '{"severity":"permanent","reason":"bounce","recipient":"A@x.com","tags":["a","b"],'
    '"message":{"headers":{"message-id":"<1@x>","subject":"Zoë \\"q\\" \\\\ é"}},'
    '"delivery-status":{"code":550,"enhanced-code":"5.1.1","message":"no\\nuser",'
    '"attempt-no":2},"user-variables":{"email-id":"e1","z":1,"a":[1,2.5,null]}}',
    '{"reason":"","recipient":null,"client-info":{"bot":"","user-agent":"Mozilla"},'
    '"ip":"1.2.3.4","delivery-status":{"code":"x","attempt-no":3}}',
    '{"message":{"headers":{"to":"\\"Doe, <old@x.com> J\\" <new@x.com>"},'
    '"recipients":[]},"envelope":{"sending-ip":"5.6.7.8"},"tags":[]}',
    '{"message":{"recipients":["first@x.com","b@x.com"]},"user-variables":{}}',
    "{not json",
    "{}",
]
SENDGRID = [
    '{"email":"a@x.com","smtp-id":"<s@x>","sg_message_id":"abc.recvd-1-2.0",'
    '"response":"smtp; 550 5.1.1 no such user","attempt":"4","category":"one",'
    '"email_id":"e2","plan":"gold","n":12,"flag":true,"ip":"9.9.9.9"}',
    '{"email":"b@x.com","sg_message_id":".x","category":["one","two"],'
    '"sg_machine_open":true,"url_offset":{"index":0,"type":"html"},"asm_group_id":7}',
    '{"email":"","category":[],"status":"","reason":"451 4.7.1 later"}',
    "{not json",
]
POSTMARK = [
    '{"Recipient":"P@x.com","MessageID":"m-1","Type":"HardBounce","Tag":"news",'
    '"Details":"smtp;550 5.1.1 unknown","Metadata":{"email_id":"e3","k":"v"},'
    '"SuppressSending":true,"ClickLocation":"HTML","Geo":{"IP":"8.8.8.8"}}',
    '{"Email":"q@x.com","Metadata":{},"Tag":"","MessageStream":"broadcasts"}',
]
CLIENT = ['{"properties":{"account_id":"a1"},"dropped":3}', '{"dropped":"x"}', "{"]

EVENTS = {
    "mailgun": (MAILGUN, "failed"),
    "sendgrid": (SENDGRID, "bounce"),
    "postmark": (POSTMARK, "SubscriptionChange"),
    "client": (CLIENT, "seen"),
}

LOAD = "never commits"


def leave(warehouse: Path, lake: Path) -> None:
    """Writes them.

    Args:
        warehouse: A DuckDB file whose raw tables are there.
        lake: The folder of the lake.
    """
    with duckdb.connect(warehouse) as connection:
        connection.execute("set timezone = 'UTC'")
        for source, (payloads, name) in EVENTS.items():
            table = f"raw.{source}_events"
            for position, payload in enumerate(payloads):
                connection.execute(
                    f"insert into {table} by name select "
                    "? as event_key, ? as event_name, ? as payload, "
                    "timestamptz '2026-03-08 09:59:59.123456+00' as occurred_at, "
                    "timestamptz '2026-03-08 10:00:00+00' as received_at, "
                    "? as position, 'r' as request_id, ? as _dlt_load_id",
                    [f"{source}-odd-{position}", name, payload, position, LOAD],
                )
            folder = lake / table.replace(".", "/") / "2026-03-08"
            folder.mkdir(parents=True)
            connection.execute(
                f"copy (from {table} where _dlt_load_id = '{LOAD}')"
                f" to '{folder / 'killed.parquet'}' (format parquet)"
            )
