"""Prometheus is let in with a token, a person with a session, and nobody else."""

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from farm.db import Begin
from tests import builders


def test_a_scraper_with_a_token_reads_what_its_own_parser_understands(
    script: FlaskClient, begin: Begin
) -> None:
    with begin() as session:
        builders.worker(session, "w1")
    answer = script.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert "voicefarm_worker_realtime_ratio" in names


def test_a_stranger_is_told_how_to_get_in_and_not_sent_to_a_page(app: Flask) -> None:
    for headers in ({}, {"Authorization": "Bearer vf_nonsense"}):
        answer = app.test_client().get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "farm token" in answer.text
        assert "voicefarm_" not in answer.text
