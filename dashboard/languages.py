"""The dashboard's languages: English sentences are the keys of their Chinese (dashboard/translations)."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, current_app, has_request_context, request
from flask_babel import Babel, get_locale, gettext

from farm.messages import Message

LANGUAGES = {"zh": "中文", "en": "English"}
COOKIE = "language"


def set_up_languages(app: Flask, usual: str) -> None:
    """Speak the language a person chose, else `usual` (zh, en, or "" for the browser's)."""
    app.config["USUAL_LANGUAGE"] = usual
    Babel(app, default_translation_directories="translations", locale_selector=chosen)
    app.jinja_env.globals.update(say=say, language=language, languages=LANGUAGES)


def chosen() -> str:
    if not has_request_context():
        return "en"
    for wanted in (request.cookies.get(COOKIE), current_app.config["USUAL_LANGUAGE"]):
        if wanted in LANGUAGES:
            return wanted
    return str(request.accept_languages.best_match(list(LANGUAGES), "en"))


def language() -> str:
    """The request's language, as in <html lang>."""
    locale = get_locale()
    return str(locale.language) if locale else "en"


def say(message: Message | Mapping[str, Any] | None) -> str:
    """A message of the farm, or what was stored of one, in the request's language."""
    if message is None:
        return ""
    known = message if isinstance(message, Message) else Message.from_json(message)
    inside = {
        name: say(value) if isinstance(value, Message) else value for name, value in known.values.items()
    }
    return str(gettext(known.template)).format(**inside)
