"""Stand-in providers on loopback, and an application database that fits them.

For the demo, tests and benchmarks. Imports nothing of ours.

    with simulator.serve(Spec(emails=10), latency_ms=5) as mailgun:
        ...  # mailgun.base_url, mailgun.api_key, mailgun.domains

- a world is made: `spec`, `cast`, `lives`, `failures`, `strays`, `hostile`,
  `conversations`, `diary`, `truth`, all together in `world`;
- its events get bodies: `dialect`, `templates`, `clients`, `bodies`, `log`, and
  `…_templates`, `…_bodies` of each provider;
- its application is written: `tables`, `app`;
- its polled provider answers: `wire` (HTTP), `pages`, `stats`, `logs`, `mailgun`;
- what isn't polled is posted: `outbox`, `signing`, `postman`;
- as a process of its own: `desk`, `knobs`, `__main__`, started by `process`.
"""

from simulator.process import Simulator, serve
from simulator.spec import Spec

__all__ = ["Simulator", "Spec", "serve"]
