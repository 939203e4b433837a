"""Why is nothing being spoken of a project? Sentences computed from what is there, the most telling first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from farm import schedule, workers
from farm.crew import as_for, classes_for
from farm.engine import precision, title
from farm.fleet import UNSPOKEN, Fleet
from farm.forecast import Forecast
from farm.gpu import CLASSES
from farm.matching import computes_alike, misfit, unable
from farm.messages import Message
from farm.tables import ChapterState, Desired, Project, ProjectState, Worker

MOST_NAMED = 3  # workers that are told one by one
AWAY = {
    "held": (Message("{worker} is on hold: {reason}"), Message("{n} workers are on hold.")),
    "waiting": (
        Message("{worker} waits for you to let it in."),
        Message("{n} workers wait for you to let them in."),
    ),
    "error": (Message("{worker} cannot work: see its page."), Message("{n} workers cannot work.")),
    "lost": (
        Message("{worker} has not been heard of lately. Is its machine on?"),
        Message("{n} workers have not been heard of lately. Are their machines on?"),
    ),
    "steered": (
        Message("{worker} was told to take no work."),
        Message("{n} workers were told to take no work."),
    ),
    "asleep": (Message("{worker} is asleep."), Message("{n} workers are asleep.")),
    "joining": (Message("{worker} is joining."), Message("{n} workers are joining.")),
}
"""By what they are, what a person can end first: one worker, and several."""

UNTIL = (
    Message("{worker} is asleep until {time}."),
    Message("{n} workers are asleep, the first until {time}."),
)
ORDER = list(AWAY)


def why_not(
    project: Project, states: Mapping[str, int], fleet: Fleet, forecast: Forecast
) -> tuple[Message, ...]:
    """`states`: how many ticked chapters are in each. Empty when all is well or nothing is to be done."""
    if project.state == ProjectState.PAUSED:
        return (Message("Paused. Press resume to go on; nothing is lost."),)
    if project.state == ProjectState.REVIEW:
        return tuple(missing(project, fleet))
    if project.state != ProjectState.RUNNING:
        return ()
    if project.failure:
        return (Message("The last step failed and waits for you to try it again."),)
    if not set(UNSPOKEN) & set(states):
        return tuple(of_spoken(states))
    return (*of_unspoken(project, states, fleet), *of_deadline(forecast))


def of_spoken(states: Mapping[str, int]) -> Iterator[Message]:
    if mastering := states.get(ChapterState.MASTERING):
        yield Message("All is spoken; chapters being mastered: {n}.", {"n": mastering})
    elif ChapterState.HELD in states:
        yield Message(
            "Held: some sentences could not be spoken. Try them again, or give the chapter out without."
        )
    elif states:
        yield Message("Every chapter is finished; the whole is being bound.")


def of_unspoken(project: Project, states: Mapping[str, int], fleet: Fleet) -> Iterator[Message]:
    rendering = fleet.rendering.get(project.id, 0)
    able = fleet.able(project)
    idle = able & fleet.idle
    if not able:
        yield from unserved(project, fleet)
    elif set(UNSPOKEN) & set(states) == {ChapterState.DRAFT}:
        yield Message("Its text is being cut into segments; speaking begins in a moment.")
    elif not rendering and not idle:
        yield from turn(project, fleet)
    elif project.most_workers is not None and rendering >= project.most_workers and idle:
        limit = {"n": project.most_workers, "idle": len(idle)}
        yield Message(
            "Workers it may have at once: {n}, all at work. Idle ones that could help: {idle}.", limit
        )


def unserved(project: Project, fleet: Fleet) -> Iterator[Message]:
    """Why no live worker can serve it: none could, or those that could are away."""
    able = [worker for worker in fleet.crew if worker.id in fleet.serving(project)]
    yield from away(able, fleet) if able else missing(project, fleet)


def missing(project: Project, fleet: Fleet) -> Iterator[Message]:
    """What it needs that no worker has, of those that fit best; nothing when one fits."""
    mine = [worker for worker in fleet.crew if worker.engine == project.engine]
    if not mine:
        yield of_engine(project, fleet.crew)
        return
    asked = {worker.id: project if project.pin else as_for(project, worker) for worker in mine}
    misfits = {worker.id: misfit(worker, asked[worker.id], fleet.blocked) for worker in mine}
    if None in misfits.values():
        return
    wrong = [worker for worker in mine if has_wrong_card(worker, asked[worker.id])]
    if wrong:
        yield of_cards(project, wrong)
    others = [found for worker in mine if worker not in wrong and (found := misfits[worker.id])]
    yield from others[:MOST_NAMED]
    if more := len(others[MOST_NAMED:]):
        yield Message("Other workers that may not serve it: {n}.", {"n": more})


def has_wrong_card(worker: Worker, project: Project) -> bool:
    alike = computes_alike(CLASSES[worker.gpu_class], project)
    return not alike or unable(worker, project) is not None


def of_engine(project: Project, crew: Sequence[Worker]) -> Message:
    needs = {"engine": title(project.engine)}
    have = Counter(title(worker.engine) for worker in crew if worker.engine)
    if not have:
        return Message("Needs a worker with the {engine} engine; you have none.", needs)
    others = {"n": have.total(), "others": ", ".join(sorted(have))}
    if have.total() == 1:
        return Message(
            "Needs a worker with the {engine} engine; you have one {others} worker.", needs | others
        )
    return Message("Needs a worker with the {engine} engine; you have {n} {others} workers.", needs | others)


def of_cards(project: Project, crew: Sequence[Worker]) -> Message:
    """Which classes could do it, and which there are."""
    have = Counter(worker.gpu_class for worker in crew)
    cards = ", ".join(f"{n} × {gpu_class}" for gpu_class, n in sorted(have.items()))
    if not project.pin:
        allowed = ", ".join(project.classes)
        return Message(
            "Only cards of {classes} may serve it; you have {cards}.", {"classes": allowed, "cards": cards}
        )
    needs = {"precision": project.pin["precision"], "longest": round(project.longest_segment)}
    fitting = ", ".join(classes_for(project))
    if not precision(project.engine, needs["precision"]):
        return Message(
            "Needs {longest} characters ({classes}); you have {cards}.",
            {"longest": needs["longest"], "classes": fitting, "cards": cards},
        )
    return Message(
        "Needs {precision} and {longest} characters ({classes}); you have {cards}.",
        {**needs, "classes": fitting, "cards": cards},
    )


def away(able: Sequence[Worker], fleet: Fleet) -> Iterator[Message]:
    """Why none of those who could serve it takes work; what a person can end comes first."""
    kinds: dict[str, list[Worker]] = defaultdict(list)
    for worker in able:
        kinds[kind_of(worker, fleet)].append(worker)
    for kind in sorted(kinds, key=ORDER.index):
        found = kinds[kind]
        until = min(filter(None, (wakes(worker, fleet.at) for worker in found)), default=None)
        one, several = UNTIL if kind == "asleep" and until else AWAY[kind]
        values = {"worker": found[0].name, "n": len(found), "time": until and written(*until, fleet.at)}
        if kind == "held" and found[0].hold:
            values["reason"] = Message.from_json(found[0].hold)
        yield replace(one if len(found) == 1 else several, values=values)


def kind_of(worker: Worker, fleet: Fleet) -> str:
    if workers.wanted(worker, fleet.at)[0] == Desired.SLEEP:
        return "asleep"  # its machine may be off, too
    word = fleet.words[worker.id]
    return word if word in AWAY else "steered"


def wakes(worker: Worker, at: datetime) -> tuple[datetime, str] | None:
    """When its schedule wakes a worker, and the schedule's zone."""
    moment = schedule.next_change(worker.schedule, at) if worker.desired == Desired.RUN else None
    return (
        (moment, worker.schedule["zone"]) if moment and not schedule.works_at(worker.schedule, at) else None
    )


def written(moment: datetime, zone: str, at: datetime) -> str:
    """The time of day as the schedule has it: 22:00 (Europe/Berlin); with the date when not today."""
    local, today = moment.astimezone(ZoneInfo(zone)), at.astimezone(ZoneInfo(zone))
    day = "" if local.date() == today.date() else f"{local.date()} "
    return f"{day}{local:%H:%M} ({zone})"


def turn(project: Project, fleet: Fleet) -> Iterator[Message]:
    """Who is served instead, by the workers that it could use."""
    able = fleet.able(project)
    others = [other for other in fleet.spoken if other.id != project.id]
    served = [other for other in others if fleet.claims[other.id].crew & able]
    first = max(served, key=lambda other: other.priority, default=None)
    if first is None:
        return
    more = {"project": first.title, "n": len(served)}
    if first.priority > project.priority:
        yield Message("{project} goes first: its priority is higher.", more)
    elif len(served) == 1:
        yield Message("It waits for its turn: its workers speak {project} now.", more)
    else:
        yield Message("It waits for its turn: its workers speak {n} other projects now.", more)


def of_deadline(forecast: Forecast) -> Iterator[Message]:
    if not forecast.late or forecast.spare_s is None:
        return
    minutes = round(-forecast.spare_s / 60)
    if minutes < 90:
        yield Message("It may be done {minutes} min after its deadline.", {"minutes": max(minutes, 1)})
    else:
        yield Message("It may be done {hours} h after its deadline.", {"hours": round(minutes / 60)})
