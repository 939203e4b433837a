"""The reference's two normalisers, where their packages are installed: for text that is not spoken yet.

The farm's own text is. Only these versions say what the reference says; later ones differ (SPEC.md §7.3).
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from farm.errors import Rejected
from models.indextts2.normalise import Normaliser, Route

WETEXT = "0.1.0"
WETEXTPROCESSING = "1.0.4.1"


def wetext() -> Normaliser:
    """The one of Windows and macOS. Raises Rejected: the package or its version is not there."""
    require("wetext", WETEXT)
    package = import_module("wetext")
    chinese = package.Normalizer(lang="zh", operator="tn", remove_erhua=False)
    english = package.Normalizer(lang="en", operator="tn")
    return lambda text, route: str((chinese if route == "zh" else english).normalize(text))


def wetextprocessing(cache: Path) -> Normaliser:
    """The one of Linux; its grammars are compiled into the folder `cache` once, for some minutes.

    What its grammars do not accept is left as it is, in either language; the reference lets Chinese like
    that go unspoken. Raises Rejected: the package or its version is not there.
    """
    require("WeTextProcessing", WETEXTPROCESSING)
    cache.mkdir(parents=True, exist_ok=True)
    chinese = import_module("tn.chinese.normalizer").Normalizer(
        cache_dir=str(cache), remove_interjections=False, remove_erhua=False
    )
    english = import_module("tn.english.normalizer").Normalizer(cache_dir=str(cache))
    not_accepted = import_module("pywrapfst").FstOpError

    def spoken(text: str, route: Route) -> str:
        try:
            return str((chinese if route == "zh" else english).normalize(text))
        except not_accepted:
            return text

    return spoken


def require(package: str, wanted: str) -> None:
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "none"
    if found != wanted:
        raise Rejected(
            "{package} {wanted} is needed and {found} is installed. Run `pip install {package}=={wanted}`.",
            package=package,
            wanted=wanted,
            found=found,
        )
