"""The plan of a method as a picture: a self-contained SVG, one panel a turn.

A panel shows one direction: pictures at the left, each tensor with the networks that make it, losses at the right. The
other direction of a two-way method is its mirror image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from gankit.inspect.layout import Layout, place
from gankit.inspect.summary import Summary, TensorSummary, TurnSummary
from gankit.inspect.words import bytes_in_words, count_in_words, shape_in_words

FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
INK, FAINT, LINE, PAPER = "#1f2933", "#6b7785", "#c3ccd5", "#ffffff"
BLUE, PALE_BLUE = "#1769aa", "#e3f0fa"  # what this turn trains, and what leads back to it
GREY, PALE_GREY = "#8793a0", "#f1f3f5"  # what stays as it is in this turn
AMBER, PALE_AMBER = "#b3590b", "#fdf1e2"  # losses
MARGIN, BETWEEN, PANEL_HEAD, HEAD = 28, 64, 62, 84


@dataclass(frozen=True)
class Row:
    """A line of text in a box; with a background it is a chip, the mark of a network."""

    text: str
    color: str = FAINT
    background: str = ""
    bold: bool = False

    @property
    def width(self) -> float:
        return (8.3 if self.bold else 7.1) * len(self.text) + (16 if self.background else 0)


@dataclass(frozen=True)
class Card:
    """What stands in a box."""

    rows: tuple[Row, ...]
    stroke: str
    fill: str
    dashed: bool = False

    @property
    def width(self) -> float:
        return max(row.width for row in self.rows) + 24

    @property
    def height(self) -> float:
        return 14 + sum(_row_height(row) for row in self.rows)


def draw(summary: Summary) -> str:
    """The SVG of a summary. Fonts are the viewer's; nothing else is needed from outside."""
    panels = [_Panel(summary, turn) for turn in summary.turns]
    texts = [_details(summary), *(panel.details for panel in panels)]
    width = max([760.0, *(panel.width for panel in panels), *(Row(text).width + 40 for text in texts)]) + 2 * MARGIN
    body, y = [], float(HEAD)
    for number, panel in enumerate(panels, 1):
        body.append(f"<g transform='translate({MARGIN} {y:.0f})'>{panel.svg(number, width - 2 * MARGIN)}</g>")
        y += panel.height + MARGIN
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{y:.0f}' "
        f"viewBox='0 0 {width:.0f} {y:.0f}' {FONT} font-size='12'>"
        f"<title>The plan of {escape(summary.method)}</title>"
        f"<rect width='100%' height='100%' fill='{PAPER}'/>{_heading(summary)}{''.join(body)}</svg>\n"
    )


def _details(summary: Summary) -> str:
    sizes = ", ".join(f"{name} {shape_in_words(shape[1:])}" for name, shape in summary.pictures.items())
    batch = next((shape[0] for shape in summary.pictures.values()), 1)
    networks = {n.role: n for n in reversed(summary.networks)}
    parts = [f"{n.role} ({n.type}) {count_in_words(n.parameters)} parameters" for n in reversed(networks.values())]
    return f"batch of {batch}; {sizes}; {'; '.join(parts)}"


def _heading(summary: Summary) -> str:
    legend, x = [], float(MARGIN)
    for text, fill, stroke in (
        ("trained in this turn", PALE_BLUE, BLUE),
        ("held fixed", PALE_GREY, GREY),
        ("loss", PALE_AMBER, AMBER),
    ):
        legend.append(f"<rect x='{x}' y='62' width='14' height='12' rx='3' fill='{fill}' stroke='{stroke}'/>")
        legend.append(_text(x + 20, 72, text, FAINT))
        x += 36 + 6.6 * len(text)
    legend.append(f"<path d='M{x} 68h26' stroke='{BLUE}' stroke-width='1.8' fill='none'/>")
    legend.append(_text(x + 32, 72, "leads back to what is trained", FAINT))
    title = _text(MARGIN, 30, f"{summary.method}: the plan of a step", INK, size=18, bold=True)
    return title + _text(MARGIN, 50, _details(summary), FAINT) + "".join(legend)


class _Panel:
    """One turn in its first direction."""

    def __init__(self, summary: Summary, turn: TurnSummary) -> None:
        self.turn = turn
        directions = list(dict.fromkeys(term.direction for term in turn.terms))
        self.direction, self.mirrored = directions[0], directions[1:]
        self.terms = [term for term in turn.terms if term.direction == self.direction]
        self.summary = summary
        tensors = {t.key: t for t in _joined(turn.tensors, keep={k for term in self.terms for k in term.keys})}
        self.cards: dict[str, Card] = {}
        self.edges: list[tuple[str, str]] = []
        self.flows: dict[str, bool] = {key: tensor.trained for key, tensor in tensors.items()}
        for term in self.terms:
            self._add_loss(term)
            for key in term.keys:
                self._add(key, tensors)
                self.edges.append((key, term.key))
        self.layout: Layout = place(
            {key: card.height for key, card in self.cards.items()}, self.edges, [term.key for term in self.terms]
        )
        self.x, self.widths = self._columns()

    @property
    def width(self) -> float:
        return self.x[-1] + self.widths[-1] + 2 * 20

    @property
    def height(self) -> float:
        return PANEL_HEAD + self.layout.height + 24

    def _columns(self) -> tuple[list[float], list[float]]:
        widths = [
            max((self.cards[box.key].width for box in column if box.key in self.cards), default=0.0)
            for column in self.layout.columns
        ]
        x = [20.0]
        for width in widths[:-1]:
            x.append(x[-1] + width + BETWEEN)
        return x, widths

    # -- what stands in the boxes ----------------------------------------------------------------------------------
    def _add(self, key: str, tensors: dict[str, TensorSummary]) -> None:
        if key in self.cards:
            return
        if key in tensors:
            tensor = tensors[key]
            self.cards[key] = self._tensor_card(tensor)
            for taken in tensor.takes:
                self._add(taken, tensors)
                self.edges.append((taken, key))
        elif key.startswith("net:"):
            self.cards[key] = Card((self._chip(key.removeprefix("net:")),), LINE, PAPER)
        elif key.startswith("batch:"):
            field = key.removeprefix("batch:")
            rows = (Row(self._name(key), INK, bold=True), Row(f"picture {field}"))
            self.cards[key] = Card(rows, GREY, PALE_GREY)
        else:
            rows = (Row(self._name(key), INK, bold=True), Row("of the generator, detached"))
            self.cards[key] = Card(rows, GREY, PAPER, dashed=True)

    def _tensor_card(self, tensor: TensorSummary) -> Card:
        chips = tuple(self._chip(key) for key in tensor.networks)
        shape = (Row(shape_in_words(tensor.shape)),) if tensor.shape else ()
        color = BLUE if tensor.trained else GREY
        return Card((Row(self._name(tensor.key), INK, bold=True), *chips, *shape), color, PAPER)

    def _chip(self, key: str) -> Row:
        learns = key in self.turn.trains
        return Row(self._name(f"net:{key}"), BLUE if learns else FAINT, PALE_BLUE if learns else PALE_GREY)

    def _add_loss(self, term) -> None:
        notes = [f"{term.type}, weight {term.weight:g}"]
        if term.from_step:
            notes.append(f"from step {term.from_step}")
        if term.every > 1:
            notes.append(f"every {term.every} steps")
        rows = (Row(term.loss, INK, bold=True), *(Row(note, AMBER) for note in notes))
        self.cards[term.key] = Card(rows, AMBER, PALE_AMBER)

    def _name(self, key: str) -> str:
        return self.summary.seen_from(self.direction, key)

    # -- drawing ---------------------------------------------------------------------------------------------------
    @property
    def details(self) -> str:
        facts = [
            f"trains {', '.join(self.turn.trains)}",
            f"{count_in_words(self.turn.multiply_adds or 0)} multiply-adds",
            f"{bytes_in_words(self.turn.saved_bytes or 0)} kept for the backward",
        ]
        if self.turn.every > 1:
            facts.append(f"every {self.turn.every} steps")
        facts.append(f"shown: {self.direction}" + (f"; {', '.join(self.mirrored)} likewise" if self.mirrored else ""))
        return "; ".join(facts)

    def svg(self, number: int, width: float) -> str:
        title = f"{number}. {self.turn.name}"
        parts = [
            f"<rect width='{width:.0f}' height='{self.height:.0f}' rx='10' fill='none' stroke='{LINE}'/>",
            _text(20, 26, title, INK, size=15, bold=True),
            _text(20, 45, self.details, FAINT),
            f"<g transform='translate(0 {PANEL_HEAD})'>",
            *self._edges(),
            *self._boxes(),
            "</g>",
        ]
        return "".join(parts)

    def _edges(self) -> Iterator[str]:
        ordered = sorted(self.layout.routes.items(), key=lambda route: self.flows.get(route[0][0], False))
        for (start, _), route in ordered:
            flows = self.flows.get(start, False)
            path = [f"M{self.x[route[0].column] + self._width(route[0].key, route[0].column):.1f} {route[0].y:.1f}"]
            for here, there in pairwise(route):
                left = self.x[here.column] + self._width(here.key, here.column)
                right = self.x[there.column]
                flat = self.x[here.column] + self.widths[here.column]  # short boxes: straight to the column's edge
                middle = (flat + right) / 2
                path.append(f"L{max(left, flat):.1f} {here.y:.1f}")
                path.append(f"C{middle:.1f} {here.y:.1f} {middle:.1f} {there.y:.1f} {right:.1f} {there.y:.1f}")
            color, size = (BLUE, 1.8) if flows else (GREY, 1.2)
            end = self.x[route[-1].column], route[-1].y
            yield f"<path d='{''.join(path)}' fill='none' stroke='{color}' stroke-width='{size}'/>"
            yield f"<path d='M{end[0]:.1f} {end[1]:.1f}l-7 -3.5v7z' fill='{color}'/>"

    def _width(self, key: str, column: int) -> float:
        return self.cards[key].width if key in self.cards else self.widths[column]

    def _boxes(self) -> Iterator[str]:
        for column in self.layout.columns:
            for box in column:
                if box.key in self.cards:
                    yield _card(self.cards[box.key], self.x[box.column], box.y - box.height / 2)


def _joined(tensors: tuple[TensorSummary, ...], keep: set[str]) -> list[TensorSummary]:
    """Without tensors that only one other takes, and takes alone, to unpack: their networks go to that other."""
    takers: dict[str, list[TensorSummary]] = {}
    for tensor in tensors:
        for key in tensor.takes:
            takers.setdefault(key, []).append(tensor)
    known = {t.key: t for t in tensors}
    gone: set[str] = set()
    for tensor in tensors:
        if not tensor.networks and len(tensor.takes) == 1 and tensor.takes[0] in known:
            before = known[tensor.takes[0]]
            if before.networks and before.key not in keep and len(takers[before.key]) == 1:
                known[tensor.key] = replace(tensor, takes=before.takes, networks=before.networks)
                gone.add(before.key)
    return [t for key, t in known.items() if key not in gone]


def _card(card: Card, x: float, y: float) -> str:
    dash = " stroke-dasharray='5 3'" if card.dashed else ""
    parts = [
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{card.width:.1f}' height='{card.height:.1f}' rx='7' fill='{card.fill}' "
        f"stroke='{card.stroke}' stroke-width='1.3'{dash}/>"
    ]
    top = y + 7
    for row in card.rows:
        height = _row_height(row)
        if row.background:
            parts.append(
                f"<rect x='{x + 12:.1f}' y='{top + 1:.1f}' width='{row.width:.1f}' height='{height - 3:.1f}' rx='8' "
                f"fill='{row.background}'/>"
            )
        shift = 20 if row.background else 12
        parts.append(_text(x + shift, top + height / 2 + 4, row.text, row.color, 13 if row.bold else 12, row.bold))
        top += height
    return "".join(parts)


def _row_height(row: Row) -> float:
    return 21 if row.background else 18


def _text(x: float, y: float, text: str, color: str, size: int = 12, bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{color}'{weight}>{escape(text)}</text>"
