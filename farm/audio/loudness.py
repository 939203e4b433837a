"""How loud audio is: EBU R128 integrated loudness, true peak, and the three levels that ACX asks for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

from farm.audio.decibels import level
from farm.audio.truepeak import SIDE, true_peaks
from farm.engine import Samples

GATE_S = 0.4
"""EBU R128 hears nothing shorter."""
ABSOLUTE_GATE_LUFS = -70.0
HOP_S = 0.1
QUIET_HOPS = 5
"""The noise floor is the RMS of the quietest half second."""


@dataclass(frozen=True)
class Loudness:
    """What was measured, and what was done to get there. Levels are dB of full scale; None means silence."""

    lufs: float | None
    true_peak_db: float | None
    rms_db: float | None
    peak_db: float | None
    noise_floor_db: float | None
    gain_db: float = 0.0
    limited_s: float = 0.0


class Integrated:
    """EBU R128 integrated loudness of a stream of samples, by FFmpeg's `ebur128`."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._fed = 0
        self._start = np.zeros(0, np.float32)
        self._lufs = ABSOLUTE_GATE_LUFS
        self._graph = graph = Graph()  # its nodes do not keep it alive
        self._source = graph.add_abuffer(
            sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate)
        )
        self._meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        self._sink = graph.add("abuffersink")
        graph.link_nodes(self._source, self._meter, self._sink).configure()

    def feed(self, samples: Samples) -> None:
        if not len(samples):
            return
        if self._fed < GATE_S * self._rate:
            self._start = np.concatenate([self._start, samples])
        self._push(samples)

    def finish(self) -> float | None:
        """LUFS; None when nothing is above the gate. Audio shorter than the gate is heard as if repeated."""
        needed = round(GATE_S * self._rate)
        if 0 < self._fed < needed:
            self._push(np.resize(self._start, needed + self._fed)[self._fed :])
        self._source.push(None)
        self._pull()
        return self._lufs if self._lufs > ABSOLUTE_GATE_LUFS else None

    def _push(self, samples: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._fed
        self._fed += len(samples)
        self._source.push(frame)
        self._pull()

    def _pull(self) -> None:
        for frame in _ready(self._sink):
            self._lufs = float(frame.metadata.get("lavfi.r128.I", self._lufs))


def _ready(sink: av.filter.context.FilterContext) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame


class _Peak:
    """The greatest sample and the greatest true peak so far."""

    def __init__(self) -> None:
        self.sample = 0.0
        self.true = 0.0
        self._context = np.zeros(2 * SIDE, np.float32)

    def feed(self, samples: Samples) -> None:
        """The last samples wait for their neighbours; feed 2 * SIDE zeros in the end."""
        seen = np.concatenate([self._context, samples])
        self._context = seen[-2 * SIDE :]
        self.sample = max(self.sample, float(np.abs(samples).max(initial=0.0)))
        floor = max(self.true, self.sample)
        self.true = max(self.true, float(true_peaks(seen, floor)[SIDE:-SIDE].max(initial=0.0)))


class _Energy:
    """Mean power of everything, and of the quietest half second."""

    def __init__(self, sample_rate: int) -> None:
        self.total = 0.0
        self.count = 0
        self.quietest = np.inf
        self._hop = round(HOP_S * sample_rate)
        self._rest = np.zeros(0, np.float32)
        self._hops = np.zeros(0)

    def feed(self, samples: Samples) -> None:
        self._rest = np.concatenate([self._rest, samples])
        whole = len(self._rest) // self._hop * self._hop
        squares = self._rest[:whole].reshape(-1, self._hop).astype(np.float64) ** 2
        self._rest = self._rest[whole:]
        self._add(squares.sum(axis=1), whole)

    def finish(self) -> None:
        rest = self._rest.astype(np.float64)
        self.total += float(rest @ rest)
        self.count += len(rest)

    def _add(self, energies: np.ndarray[tuple[int], np.dtype[np.float64]], count: int) -> None:
        self.total += float(energies.sum())
        self.count += count
        hops = np.concatenate([self._hops, energies])
        if len(hops) >= QUIET_HOPS:
            windows = np.convolve(hops, np.ones(QUIET_HOPS), "valid")
            self.quietest = min(self.quietest, float(windows.min()) / (QUIET_HOPS * self._hop))
        self._hops = hops[1 - QUIET_HOPS :]


def measure(stream: Iterable[Samples], sample_rate: int) -> Loudness:
    """Everything about a stream of mono samples; memory does not grow with its length."""
    integrated, peak, energy = Integrated(sample_rate), _Peak(), _Energy(sample_rate)
    for samples in stream:
        integrated.feed(samples)
        peak.feed(samples)
        energy.feed(samples)
    peak.feed(np.zeros(2 * SIDE, np.float32))
    energy.finish()
    rms = np.sqrt(energy.total / max(energy.count, 1))
    quietest = np.sqrt(energy.quietest) if np.isfinite(energy.quietest) else rms
    return Loudness(
        lufs=integrated.finish(),
        true_peak_db=level(peak.true),
        rms_db=level(float(rms)),
        peak_db=level(peak.sample),
        noise_floor_db=level(float(quietest)),
    )
