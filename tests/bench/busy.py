"""How busy the render worker is, from the first claim to the last accept of a whole book."""

from models.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.whole_book import rendered


def run(options: Options) -> list[Figure]:
    run = rendered(options)
    share = run.speech_s / options.speed / run.rendering_s
    return [
        Figure("render worker busy", share, "", least=0.90, said=f"engine at {options.speed:g}× realtime"),
        Figure("audio", run.audio_s / 3600, "h", said=f"{run.segments} segments"),
        Figure("first claim to last accept", run.rendering_s, "s"),
        Figure("upload to download", run.wall_s, "s"),
    ]
