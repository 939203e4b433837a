"""How soon the dashboard's pages and API answer when the database is full."""

import time
from collections.abc import Iterator
from statistics import quantiles

import urllib3
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from dashboard import create_app
from dashboard.belongings import Belongings
from farm import users
from farm.db import beginner
from farm.settings import Settings
from models.bench.figures import Figure
from tests.bench import rows
from tests.bench.options import Options
from tests.bench.service import serving

PROJECTS = 200
WORKERS = 100
LARGEST = 5  # one project has a fifth of all segments
REQUESTS = 60
WARM_UP = 5
NOT_TIMED = ("static", "api-farm.stream", "auth.open_link")  # no pages; one never ends, one needs its token
AUDIO = ("api-files.", "api-projects.cover")  # as long as the file is
ROWS = {"project_id": 1, "chapter_id": 1, "segment_id": 1, "worker_id": 1}

HALF_DONE = """
INSERT INTO takes (key, object, size, seconds, seed)
  SELECT take_key, 'takes/' || take_key, 60000, 2.2, 0 FROM segments WHERE chapter_id % 2 = 1;
UPDATE segments SET state = 'done' WHERE chapter_id % 2 = 1;
UPDATE chapters SET state = 'done', segments_done = segments, length_done = length, seconds = 2.7 * segments,
  mastered = jsonb_build_object('loudness', jsonb_build_object('lufs', -19), 'placed',
    (SELECT jsonb_agg(jsonb_build_array(2.7 * n, 2.7 * n + 2.2)) FROM generate_series(0, segments - 1) n))
  WHERE id % 2 = 1;
INSERT INTO events (project_id, chapter_id, what)
  SELECT project_id, id, '{"template": "Mastered {title}.", "values": {"title": "Chapter 1"}}'::jsonb
  FROM chapters, generate_series(1, 10);
ANALYZE
"""


def run(options: Options) -> list[Figure]:
    with serving("web") as farm:
        with beginner(farm.settings.database_url)() as session:
            fill(session, options.rows)
            token = users.api_token(session, users.owner(session), "bench")
        browser = urllib3.PoolManager(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        paths = list(addresses(farm.settings))
        return [timed(browser, farm.settings.dashboard_url, path) for path in paths]


def fill(session: Session, segments: int) -> None:
    """Half of everything is done; the first project has many chapters."""
    most = max(1, segments // LARGEST // rows.PER_CHAPTER)
    rows.books(session, [most, *rows.shared(segments - segments // LARGEST, PROJECTS - 1)])
    rows.crew(session, WORKERS, 60.0)
    for statement in HALF_DONE.split(";"):
        session.execute(text(statement))


def addresses(config: Settings) -> Iterator[str]:
    """Every address that answers a person's GET, so that a new page is timed without being named here."""
    app = create_app(Belongings.of(config))
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if is_timed(rule):
                yield str(rule.build({name: ROWS[name] for name in rule.arguments})[1])


def is_timed(rule: Rule) -> bool:
    asked = "GET" in (rule.methods or ()) and set(rule.arguments) <= set(ROWS)
    return asked and rule.endpoint not in NOT_TIMED and not rule.endpoint.startswith(AUDIO)


def timed(browser: urllib3.PoolManager, address: str, path: str) -> Figure:
    """The 95th percentile of one address, and how much it sends."""
    took_ms = []
    for _ in range(WARM_UP + REQUESTS):
        since = time.monotonic()
        answer = browser.request("GET", address + path, redirect=False)
        took_ms.append(1000 * (time.monotonic() - since))
        assert answer.status == 200, f"{path} answers {answer.status}: {answer.data[:200]!r}"
    said = f"{len(answer.data) / 1000:.0f} kB"
    return Figure(path, quantiles(took_ms[WARM_UP:], n=20)[-1], "ms", most=100, said=said)
