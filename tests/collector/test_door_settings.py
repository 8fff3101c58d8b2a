"""What the door is told, and what it says: never what is secret."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from door import (
    MAILGUN,
    MAILGUN_KEY,
    POSTMARK,
    SCRIPT,
    SENDGRID,
    SendGridSender,
    door,
    environment,
    mailgun_body,
)

from collector import settings
from collector.providers import VERIFIERS

P384 = (
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEEt4dsUUS/AHQ4mgWPdqCHGF1vhyXpSN6jRgVnQbCtfE3h4J1"
    "Fr4kpwdNG0uDdH6nIZ2WIM1XVHu1wZFfFBjZKsMlm0Q7mG7mpKxPzT2TQZFhB6vjx8YSF+9D3m8u7rCz"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without settings."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for name in [name for name in os.environ if name.startswith("COLLECTOR__")]:
        monkeypatch.delenv(name)
    (tmp_path / ".dlt").mkdir()
    return tmp_path


def test_environment_wins_over_secrets_over_config(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "mailgun_signing_keys"
    assert settings.texts(name) == ()
    (root / ".dlt" / "config.toml").write_text(
        '[collector]\nmailgun_signing_keys = ["of the config"]\n'
    )
    assert settings.texts(name) == ("of the config",)
    (root / ".dlt" / "secrets.toml").write_text(
        '[collector]\nmailgun_signing_keys = ["of", "the secrets"]\n'
    )
    assert settings.texts(name) == ("of", "the secrets")
    monkeypatch.setenv("COLLECTOR__MAILGUN_SIGNING_KEYS", "of, the environment")
    assert settings.texts(name) == ("of", "the environment")
    monkeypatch.setenv("COLLECTOR__MAILGUN_SIGNING_KEYS", '["as, JSON"]')
    assert settings.texts(name) == ("as, JSON",)
    monkeypatch.setenv("COLLECTOR__MAILGUN_SIGNING_KEYS", "")
    assert settings.texts(name) == ("of", "the secrets")


def test_path_secrets_are_a_table_or_json(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".dlt" / "secrets.toml").write_text(
        '[collector.secrets]\none = "sendgrid"\ntwo = "mailgun: Mail.Example.com."\n'
    )
    assert settings.addresses(VERIFIERS) == [
        settings.Address(b"one", "sendgrid", ""),
        settings.Address(b"two", "mailgun", "mail.example.com"),
    ]
    monkeypatch.setenv("COLLECTOR__SECRETS", '{"three": "postmark"}')
    assert settings.addresses(VERIFIERS) == [settings.Address(b"three", "postmark", "")]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"secrets": ""}, "COLLECTOR__SECRETS"),
        ({"secrets": "hidden"}, "COLLECTOR__SECRETS is no JSON"),
        ({"secrets": '["hidden"]'}, "COLLECTOR__SECRETS"),
        ({"secrets": '{"hidden": "nobody"}'}, "write one of sendgrid, mailgun"),
        ({"secrets": '{"hid/den": "sendgrid"}'}, "a path can't hold"),
        ({"secrets": '{"hidden": "mailgun:no domain"}'}, "write one of"),
        ({"secrets": '{"hidden": "sendgrid"}'}, "COLLECTOR__SENDGRID_PUBLIC_KEYS"),
        ({"sendgrid_public_keys": "hidden"}, "number 1 is no P-256 public key"),
        ({"sendgrid_public_keys": P384}, "number 1 is no P-256 public key"),
        ({"mailgun_signing_keys": "[hidden"}, "MAILGUN_SIGNING_KEYS is no JSON"),
        ({"mailgun_signing_keys": "[1]"}, "write a list of texts"),
        ({"postmark_credentials": "hidden"}, 'write ["user:password"]'),
    ],
)
def test_settings_that_make_no_sense_are_told_in_a_sentence(
    tmp_path: Path, told: dict[str, str], says: str
) -> None:
    ran = subprocess.run(
        [SCRIPT, "serve", "--port", "0"],
        env=environment(tmp_path / "home", **told),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert says in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert "hid" not in ran.stderr.replace("hid/den", "")
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with door(tmp_path / "home") as opened:
        ran = subprocess.run(
            [SCRIPT, "serve", "--port", str(opened.port)],
            env=environment(tmp_path / "other"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 2
        assert "Address already in use" in ran.stderr


def test_a_source_without_a_key_is_closed_and_the_others_are_open(
    tmp_path: Path,
) -> None:
    with door(tmp_path / "home", mailgun_signing_keys=MAILGUN_KEY) as opened:
        assert opened.post(SENDGRID, b"[]") == 404
        assert opened.post(MAILGUN, mailgun_body(MAILGUN_KEY, {})) == 204
        said = opened.log.read_text()
        assert "sendgrid is closed: set COLLECTOR__SENDGRID_PUBLIC_KEYS" in said


def test_unsigned_is_taken_on_loopback_only_and_only_if_it_is_asked_for(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    with door(home, "--insecure-local", mailgun_signing_keys=MAILGUN_KEY) as opened:
        assert opened.post(SENDGRID, b"[]") == 204
        assert opened.post(SENDGRID + "x", b"[]") == 404
        assert opened.post(MAILGUN, b"{}") == 406  # its key is known
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):  # noqa: S104 - refused
        ran = subprocess.run(
            [SCRIPT, "serve", "--insecure-local", "--host", host],
            env=environment(home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 2
        assert "loopback" in ran.stderr


def test_nothing_that_is_sent_or_secret_is_in_the_log(
    tmp_path: Path, sender: SendGridSender
) -> None:
    hidden = f"hidden-{secrets.token_hex(8)}"
    key, password = f"{hidden}-key", f"{hidden}-password"
    address = f"{hidden}@example.com"
    with door(
        tmp_path / "home",
        changes=f"""
def failing(receive, inflater, held, read=body.read):
    async def reading():
        found = await read(receive, inflater, held)
        if b"please fail" in found:
            raise RuntimeError(found.decode())
        return found
    return reading()
import collector.app
collector.app.read = failing
judge = storer.Storer._judge
def failing_too(self, asked, found, fresh):
    if b"please die" in found:
        raise RuntimeError(found.decode())
    return judge(self, asked, found, fresh)
storer.Storer._judge = failing_too
assert "{hidden}"
""",
        secrets=json.dumps({hidden: "sendgrid", f"{hidden}-2": "mailgun"}),
        sendgrid_public_keys=sender.public_key,
        mailgun_signing_keys=key,
        postmark_credentials=f"user:{password}",
    ) as opened:
        body = json.dumps([{"email": address, "event": "open"}]).encode()
        good = sender.signed(body)
        sendgrid, mailgun = (
            f"/webhooks/sendgrid/{hidden}",
            f"/webhooks/mailgun/{hidden}-2",
        )
        sealed = mailgun_body(key, {"recipient": address})
        basic = base64.b64encode(f"user:{password}".encode()).decode()
        statuses = [
            opened.post(sendgrid, body, good),
            opened.post(sendgrid, body + b" ", good),
            opened.post(sendgrid + "?" + hidden, body, {hidden: hidden}),
            opened.post(f"/webhooks/sendgrid/wrong-{hidden}", body, good),
            opened.post(f"/{hidden}", body),
            opened.post(f"/webhooks/postmark/{hidden}", body, {"Authorization": basic}),
            opened.post(mailgun, sealed),
            opened.post(mailgun, sealed.replace(b"recipient", b"other")),
            opened.post(mailgun, mailgun_body(hidden, {})),
            opened.post(sendgrid, body, {"Content-Encoding": hidden}),
            opened.post(sendgrid, b"please fail " + body),
            opened.post(sendgrid, b"please die " + body),
            opened.ask("DELETE", sendgrid)[0],
        ]
        assert statuses == [
            204,
            401,
            401,
            404,
            404,
            404,
            204,
            406,
            406,
            415,
            500,
            503,
            405,
        ]
        _, _, metrics = opened.ask("GET", "/metrics")
        assert opened.process.poll() is None
    said = opened.log.read_text() + metrics
    signatures = [good["X-Twilio-Email-Event-Webhook-Signature"]]
    signatures += [
        json.loads(sealed)["signature"][name] for name in ("token", "signature")
    ]
    for secret in (hidden, basic, *signatures, sender.public_key):
        assert secret not in said
    for expected in (
        "refused source=sendgrid status=401 reason=bad_signature",
        "alarm",
        "RuntimeError at ",
        "the storer failed",
    ):
        assert expected in said
    lines = opened.log.read_text().splitlines()
    assert all(len(line) < 400 for line in lines)
    assert all(line[:2] == "20" for line in lines), lines


def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    with door(tmp_path / "home") as opened:
        for _ in range(3):
            assert opened.post(POSTMARK, b"{}") == 204
        assert opened.post(POSTMARK + "x", b"{}") == 404
        _, headers, text = opened.ask("GET", "/metrics")
        assert headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        kinds = [line.split()[2] for line in text.splitlines() if line[:6] == "# TYPE"]
        assert {line.split("{")[0].split(" ")[0] for line in samples} == set(kinds)
        labels = 'source="postmark",status="204",reason="stored"'
        assert opened.counted(f"requests_total{{{labels}}}") == 3
        assert opened.counted("stored_records_total") == 3
        assert opened.counted("stored_bytes_total") == 6
        assert 1 <= opened.counted("syncs_total") <= 3


def test_the_door_opens_without_dlt_dbt_or_duckdb(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, collector.server as server\n"
            "server.run = lambda *_: print(*sys.modules)\n"
            "sys.argv = ['tallybook', 'serve', '--port', '0']\n"
            "from tallybook.cli import main\n"
            "main()",
        ],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    modules = {name.split(".")[0] for name in ran.stdout.split()}
    assert {"collector", "inbox", "uvicorn", "starlette"} <= modules
    assert not modules & {"dlt", "dbt", "duckdb", "pyarrow", "pandas", "extract"}


def test_another_server_can_serve_it(tmp_path: Path) -> None:
    """`uvicorn --factory collector.app:create`, as for one that terminates TLS."""
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import asyncio\n"
            "from collector.app import create\n"
            "app = create()\n"
            "async def main():\n"
            "    sent, coming = [], asyncio.Queue()\n"
            "    async def send(message): sent.append(message)\n"
            "    life = {'type': 'lifespan', 'app': app, 'state': {}}\n"
            "    living = asyncio.ensure_future(app(life, coming.get, send))\n"
            "    await coming.put({'type': 'lifespan.startup'})\n"
            "    while not sent: await asyncio.sleep(0.01)\n"
            "    async def body(): return {'type': 'http.request', 'body': b'{}'}\n"
            f"    path = {POSTMARK!r}\n"
            "    scope = {'type': 'http', 'method': 'POST', 'path': path,\n"
            "             'root_path': '', 'headers': []}\n"
            "    await app(scope, body, send)\n"
            "    await coming.put({'type': 'lifespan.shutdown'})\n"
            "    await living\n"
            "    print(*(m.get('status', m['type']) for m in sent))\n"
            "asyncio.run(main())",
        ],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == [
        "lifespan.startup.complete",
        "204",
        "http.response.body",
        "lifespan.shutdown.complete",
    ], ran.stderr
