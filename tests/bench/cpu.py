"""The farm's own processor seconds for an hour of audio, beyond engine and encoder, stage by stage."""

from models.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.whole_book import Run, rendered

UNIT = "CPU-s/h"
PROCESSES = ("api", "clock", "web", "postgres", "redis", "supervisor")


def run(options: Options) -> list[Figure]:
    run = rendered(options)
    hours, stages = run.audio_s / 3600, by_stage(run)
    return [
        Figure("the farm's own", sum(stages.values()) / hours, UNIT, most=25, said=f"{hours:.2f} h of audio"),
        *[Figure(f"  {name}", spent / hours, UNIT) for name, spent in stages.items()],
        Figure("beside it: engine", run.engine_s / hours, UNIT),
        Figure("beside it: encoder", run.encoder_s / hours, UNIT),
    ]


def by_stage(run: Run) -> dict[str, float]:
    """Processor seconds without the engine's and the encoder's."""
    jobs = dict(run.stages_s)
    jobs["master"] = jobs.get("master", 0.0) - run.encoder_s
    return {
        **jobs,
        "house, between jobs": run.cpu_s["house"] - sum(run.stages_s.values()),
        "render": run.cpu_s["render"] - run.engine_s,
        **{name: run.cpu_s.get(name, 0.0) for name in PROCESSES},
    }
