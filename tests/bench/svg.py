# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures: every sample as a dot, on a scale that has room for milliseconds and for seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.model import Series
from bench.report import number
from bench.stats import by_scenario, summarise

WIDTH = 1000
LEFT, RIGHT = 250, 800
TOP, ROW, HEAD, BETWEEN = 112, 24, 30, 12
FOOT = 94
# Told apart by lightness too, for those who see no colours.
COLOURS = (("Buoy", "#0a5ea8"), ("IPaddr2", "#d97706"), ("keepalived", "#6b7280"))
DRAWN_VERSIONS = ("resource-agents", "pacemaker", "corosync", "keepalived")
STYLE = (
    "text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;fill:#1f2937}"
    ".title{font-size:18px;font-weight:bold}.head{font-weight:bold}.small{font-size:11px;fill:#4b5563}"
    ".right{text-anchor:end}.middle{text-anchor:middle}"
    ".grid{stroke:#e5e7eb;stroke-width:1}.decade{stroke:#c4c9d1;stroke-width:1}"
)


@dataclass(frozen=True)
class LogScale:
    """Maps values to a stretch of the picture by their logarithm; what is outside sits on its edge."""

    low: float
    high: float
    left: float
    right: float

    @staticmethod
    def around(values: list[float], left: float, right: float) -> LogScale:
        """Whole decades around the values. Zero has no logarithm and takes no part."""
        positive = [value for value in values if value > 0] or [1.0]
        low = math.floor(math.log10(min(positive)))
        high = math.ceil(math.log10(max(positive)))
        return LogScale(10.0**low, 10.0 ** max(high, low + 1), left, right)

    def place(self, value: float) -> float:
        """The horizontal position of a value."""
        inside = min(max(value, self.low), self.high)
        share = math.log10(inside / self.low) / math.log10(self.high / self.low)
        return self.left + share * (self.right - self.left)

    def decades(self) -> list[float]:
        """The powers of ten, edges included."""
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**exponent for exponent in range(first, last + 1)]

    def between(self) -> list[float]:
        """2 to 9 times each power of ten."""
        return [decade * step for decade in self.decades()[:-1] for step in range(2, 10)]


def colour(peer: str) -> str:
    """The colour of a peer, whatever variant of it."""
    return next((shade for name, shade in COLOURS if peer.startswith(name)), "#111827")


CAUTION = (
    "keepalived has neither quorum nor fencing: nothing keeps two nodes from holding the address at once."
)
ZERO = "0: every request was answered; the gap was shorter than the time between two requests."


@dataclass(frozen=True)
class Subject:
    """What a picture is of."""

    name: str
    title: str
    scale: str
    # Of the samples, and of a thousand of it.
    units: tuple[str, str]
    notes: tuple[str, ...]


GAPS = Subject(
    "Gaps that a client sees",
    "How long a client has no answer from a floating address",
    "Milliseconds on a logarithmic scale; all in one run on one machine.",
    ("ms", "s"),
    (CAUTION, ZERO),
)
FRAMES = Subject(
    "What a frame costs at the packet gate",
    "What a frame of a shared address costs, beside the rules of IPaddr2's clones",
    "Nanoseconds on a logarithmic scale; all in one run on one machine.",
    ("ns", "µs"),
    (
        "By test-run: the program alone, with what the measuring itself takes (the empty program).",
        "Per packet added: over a link without the filter, or one that drops everything at its door; on the left edge: less than nothing.",
    ),
)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    chosen = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{chosen}>{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _dot(x: float, y: float, shade: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{shade}" fill-opacity="0.35"/>'


def _median(x: float, y: float, shade: str) -> str:
    return f'<rect x="{x - 2:.1f}" y="{y - 9:.1f}" width="4" height="18" fill="{shade}"/>'


def _worst(x: float, y: float, shade: str) -> str:
    points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
    return f'<polygon points="{points}" fill="#ffffff" stroke="{shade}" stroke-width="2"/>'


def _row(series: Series, scale: LogScale, y: float) -> list[str]:
    shade, found = colour(series.peer), summarise(series.samples)
    parts = [_text(LEFT - 12, y + 4, series.peer, "right")]
    # Spread over three levels, or equal samples would hide each other.
    for index, sample in enumerate(series.samples):
        parts.append(_dot(scale.place(sample), y + (index % 3 - 1) * 4, shade))
    parts.append(_worst(scale.place(found.worst), y, shade))
    parts.append(_median(scale.place(found.median), y, shade))
    figures = (number(found.median), number(found.worst), str(found.count))
    for x, figure in zip((RIGHT + 66, RIGHT + 126, RIGHT + 166), figures):
        parts.append(_text(x, y + 4, figure, "right"))
    return parts


def _grid(scale: LogScale, top: float, bottom: float, units: tuple[str, str]) -> list[str]:
    parts = []
    for value in scale.between():
        x = scale.place(value)
        parts.append(_line(x, top, x, bottom, 'class="grid"'))
    for value in scale.decades():
        x = scale.place(value)
        label = f"{value:g} {units[0]}" if value < 1000 else f"{value / 1000:g} {units[1]}"
        parts.append(_line(x, top, x, bottom, 'class="decade"'))
        parts += [_text(x, y, label, "middle small") for y in (top - 6, bottom + 16)]
    return parts


def _legend(y: float, peers: set[str]) -> list[str]:
    shade, parts, x = "#374151", [], LEFT
    for mark, words, width in (
        (_dot, "one sample", 96), (_median, "median", 76), (_worst, "worst", 70),
    ):  # fmt: skip
        parts += [mark(x + 6, y - 4, shade), _text(x + 18, y, words)]
        x += width
    for name, shade in COLOURS:
        if not any(peer.startswith(name) for peer in peers):
            continue
        parts += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{shade}"/>']
        parts += [_text(x + 18, y, name)]
        x += 86
    return parts


def upstream(version: str) -> str:
    """A Debian version without its epoch and revision, which say nothing about what was measured."""
    return version.rpartition(":")[2].partition("-")[0]


def caption(facts: dict[str, object]) -> str:
    """Where the figures are from, in a line."""
    machine, versions = facts["machine"], facts["versions"]
    assert isinstance(machine, dict) and isinstance(versions, dict)
    known = [f"{name} {upstream(versions[name])}" for name in DRAWN_VERSIONS if versions.get(name)]
    system = f"Linux {machine['kernel']}, {machine['cores']} cores"
    return f"Buoy {str(facts['commit'])[:12]}; {', '.join(known)}; {system}"


def picture(drawn: list[Series], said: str, subject: Subject = GAPS) -> str:
    """The whole picture. What has no logarithm, such as a gap of 0, is drawn on the left edge."""
    groups = by_scenario(drawn)
    samples = [sample for series in drawn for sample in series.samples]
    scale = LogScale.around(samples, LEFT, RIGHT)
    rows: list[str] = []
    y = float(TOP)
    for scenario, members in groups:
        rows.append(_text(24, y + 18, scenario, "head"))
        y += HEAD
        for series in members:
            rows += _row(series, scale, y + ROW / 2)
            y += ROW
        y += BETWEEN
    height = y + FOOT
    columns = zip((RIGHT + 66, RIGHT + 126, RIGHT + 166), ("median", "worst", "n"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img">',
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->",
        f"<title>{escape(subject.name)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        _text(24, 34, subject.title, "title"),
        _text(24, 54, subject.scale, "small"),
        *_legend(78, {series.peer for series in drawn}),
        *_grid(scale, TOP, y, subject.units),
        *(_text(x, TOP - 6, words, "right small") for x, words in columns),
        *rows,
        *(_text(24, height - 54 + 18 * line, words, "small")
          for line, words in enumerate([*subject.notes, said])),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"
