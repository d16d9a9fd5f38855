"""How a paper looks that somebody signs: letterhead, tables, page numbers. What is on it: `documents.py`.

Drawn line by line, so that a long one costs no more memory than its pages. Amounts are monospaced and flush right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

FONTS = Path(__file__).parent / "fonts"
TEXT, BOLD, MONO, MONO_BOLD = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold"
SIZE, LEADING, SMALL = 8, 10.5, 6.5
MARGIN = 42
GUTTER = 8
FOOT = 56  # where the body ends
SIGNATURES = 3 * LEADING + 64  # their lines, and what is signed
TOGETHER = 3  # rows at the end of the last table
INK, MUTED, LINE, SHADE, ACCENT = map(HexColor, ("#111827", "#6b7280", "#cbd5e1", "#f1f5f9", "#0f5f59"))


class Column(NamedTuple):
    """``share`` of the width; ``amount`` columns are flush right in one width."""

    title: str
    share: int
    amount: bool = False
    mono: bool = False


@dataclass
class Block:
    """A table under a title; ``strong`` are the numbers of rows set in bold, ``totals`` rows at its end."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Sequence[str]] = ()
    strong: frozenset[int] = frozenset()
    note: str = ""
    empty: str = "Nothing."


@dataclass
class Paper:
    """``facts`` stand above the tables, ``ending`` below them; ``signatures`` are lines to sign on, by whom.
    ``made``, ``page`` and ``checksum`` are the foot's, for papers in other languages; without a sum it has none.

    What is signed stands with the signatures: the last rows of the last table with its totals, the ending, the number
    and the checksum are never parted from them by a page.
    """

    title: str
    number: str
    facts: Sequence[tuple[str, str]]
    blocks: Sequence[Block]
    sha256: str
    made_by: str
    made_at: datetime
    ending: Sequence[str] = ()
    signatures: Sequence[str] = ()
    is_wide: bool = False
    made: str = "Made {} UTC by {}. Paper {}."
    page: str = "Page {} of {}"
    checksum: str = "SHA-256 of the data"


@cache
def load_fonts() -> None:
    for name in (TEXT, BOLD, MONO, MONO_BOLD):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{name}.ttf"))


def draw(paper: Paper) -> tuple[bytes, int]:
    """The paper as PDF, and how many pages it has."""
    load_fonts()
    file = BytesIO()
    sheet = Sheet(file, paper)
    sheet.head()
    for block in paper.blocks:
        sheet.block(block, below=sheet.closing if block is paper.blocks[-1] else 0)
    sheet.end()
    pages = sheet.finish()
    return file.getvalue(), pages


class Sheet:
    """The page that is being written on; ``y`` is where the next line begins."""

    def __init__(self, file: BytesIO, paper: Paper) -> None:
        self.paper = paper
        size = landscape(A4) if paper.is_wide else A4
        self.width, self.height = size
        self.canvas = Numbered(file, size, self.foot)
        self.canvas.setTitle(f"{paper.title} {paper.number}")
        self.canvas.setAuthor(settings.LETTERHEAD_NAME)
        self.canvas.setSubject(f"SHA-256 of the data: {paper.sha256}")
        self.y = self.height - MARGIN

    @property
    def room(self) -> float:
        return self.width - 2 * MARGIN

    # --- The parts of a paper ---

    def head(self) -> None:
        """The letterhead, the title, the facts in two columns."""
        canvas = self.canvas
        canvas.setFillColor(ACCENT)
        canvas.setFont(BOLD, 15)
        canvas.drawString(MARGIN, self.y - 11, settings.LETTERHEAD_NAME)
        canvas.setFillColor(MUTED)
        canvas.setFont(TEXT, SMALL + 0.5)
        below = self.y - 5
        for line in settings.LETTERHEAD_LINES:
            canvas.drawRightString(self.width - MARGIN, below, line)
            below -= 9
        self.y = min(self.y - 24, below)
        canvas.setStrokeColor(ACCENT)
        canvas.setLineWidth(1.2)
        canvas.line(MARGIN, self.y, self.width - MARGIN, self.y)
        self.y -= 24
        canvas.setFillColor(INK)
        canvas.setFont(BOLD, 13)
        canvas.drawString(MARGIN, self.y, self.paper.title)
        self.y -= 18
        half = (len(self.paper.facts) + 1) // 2
        columns = (self.paper.facts[:half], self.paper.facts[half:])
        lowest = self.y
        for at, facts in zip((MARGIN, MARGIN + self.room / 2), columns):
            y = self.y
            for label, value in facts:
                canvas.setFont(TEXT, SIZE - 0.5)
                canvas.setFillColor(MUTED)
                canvas.drawString(at, y, label)
                canvas.setFillColor(INK)
                for line in simpleSplit(legible(value, TEXT), TEXT, SIZE, self.room / 2 - 100) or [""]:
                    canvas.setFont(TEXT, fitting(line, TEXT, self.room / 2 - 100))
                    canvas.drawString(at + 92, y, line)
                    y -= LEADING + 1
            lowest = min(lowest, y)
        self.y = lowest - 8

    @property
    def closing(self) -> float:
        """How tall `end` is."""
        ending = [part for line in self.paper.ending for part in simpleSplit(line, TEXT, SIZE, self.room)]
        return len(ending) * LEADING + (SIGNATURES if self.paper.signatures else 0)

    def block(self, block: Block, below: float = 0) -> None:
        """``below``: what else is to be on the page of its last rows."""
        last = [*block.rows[-TOGETHER:], *block.totals]
        rest = below + 18 + (LEADING if block.note or not block.rows else 0)
        together = sum([self.tall(block, row) for row in last]) + rest
        self.need(max(4 * LEADING + 20, 8 + LEADING + 3 + together if len(block.rows) <= TOGETHER else 0))
        self.canvas.setFillColor(INK)
        self.canvas.setFont(BOLD, SIZE + 1.5)
        self.canvas.drawString(MARGIN, self.y, block.title)
        self.y -= 8
        if block.rows:
            self.heads(block)
        for number, row in enumerate(block.rows):
            if number == len(block.rows) - TOGETHER and self.y - together < FOOT:
                self.turn()
                self.heads(block)
            self.row(block, row, strong=number in block.strong)
        if not block.rows:
            self.y -= LEADING
            self.text(MARGIN, self.y, block.empty, TEXT, SIZE, MUTED)
            self.y -= 4
        for row in block.totals:
            self.row(block, row, strong=True, rule=True)
        if block.note:
            self.y -= LEADING
            self.text(MARGIN, self.y, block.note, BOLD, SIZE, INK)
        self.y -= 18

    def heads(self, block: Block) -> None:
        self.canvas.setFillColor(SHADE)
        self.canvas.rect(MARGIN, self.y - LEADING - 2, self.room, LEADING + 3, stroke=0, fill=1)
        for at, wide, column in self.places(block):
            x = at + wide if column.amount else at
            self.text(x, self.y - LEADING + 2, column.title, BOLD, SMALL + 0.5, MUTED, right=column.amount)
        self.y -= LEADING + 3

    def lines(self, block: Block, cells: Sequence[str], strong: bool) -> list[list[str]]:
        return [
            [cell] if column.amount else wrapped(cell, self.font_of(column, strong), wide)
            for (_, wide, column), cell in zip(self.places(block), cells)
        ]

    def tall(self, block: Block, cells: Sequence[str]) -> float:
        return max(map(len, self.lines(block, cells, strong=True))) * LEADING + 2

    def row(self, block: Block, cells: Sequence[str], *, strong: bool, rule: bool = False) -> None:
        lines = self.lines(block, cells, strong)
        tall = max(map(len, lines)) * LEADING + 2
        if self.y - tall < FOOT:
            self.turn()
            self.heads(block)
        for (at, wide, column), parts in zip(self.places(block), lines):
            font = self.font_of(column, strong)
            size = fitting(parts[0], font, wide) if column.amount else SIZE
            for number, line in enumerate(parts):
                x = at + wide if column.amount else at
                self.text(x, self.y - LEADING - number * LEADING + 1, line, font, size, INK, right=column.amount)
        self.canvas.setStrokeColor(INK if rule else LINE)
        self.canvas.setLineWidth(0.7 if rule else 0.3)
        edge = self.y if rule else self.y - tall
        self.canvas.line(MARGIN, edge, self.width - MARGIN, edge)
        self.y -= tall

    def end(self) -> None:
        for line in self.paper.ending:
            for part in simpleSplit(line, TEXT, SIZE, self.room):
                self.need(LEADING)
                self.y -= LEADING
                self.text(MARGIN, self.y, part, TEXT, SIZE, INK)
        if not self.paper.signatures:
            return
        self.need(SIGNATURES)
        self.y -= 2 * LEADING
        self.text(MARGIN, self.y, f"{self.paper.title}, paper {self.paper.number}.", BOLD, SIZE, INK)
        self.y -= LEADING
        self.text(MARGIN, self.y, f"SHA-256 of the data {self.paper.sha256}", MONO, SMALL, INK)
        self.y -= 46
        wide = self.room / max(len(self.paper.signatures), 2)
        for number, who in enumerate(self.paper.signatures):
            at = MARGIN + number * wide
            self.canvas.setStrokeColor(INK)
            self.canvas.setLineWidth(0.6)
            self.canvas.line(at, self.y, at + wide - 24, self.y)
            self.text(at, self.y - 10, f"{who}: name, signature, date", TEXT, SMALL + 0.5, MUTED)
        self.y -= 14

    def foot(self, number: int, of: int) -> None:
        """On every page, when it is known how many there are."""
        canvas, paper = self.canvas, self.paper
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.4)
        canvas.line(MARGIN, FOOT - 10, self.width - MARGIN, FOOT - 10)
        made = paper.made.format(f"{paper.made_at.astimezone(UTC):%-d %b %Y %H:%M:%S}", paper.made_by, paper.number)
        self.text(MARGIN, FOOT - 20, made, TEXT, SMALL, MUTED)
        if paper.sha256:
            self.text(MARGIN, FOOT - 29, f"{paper.checksum} {paper.sha256}", MONO, SMALL - 0.5, MUTED)
        self.text(self.width - MARGIN, FOOT - 20, paper.page.format(number, of), TEXT, SMALL + 0.5, INK, right=True)

    def finish(self) -> int:
        self.canvas.showPage()
        self.canvas.save()
        return self.canvas.pages

    # --- Small things ---

    def places(self, block: Block) -> list[tuple[float, float, Column]]:
        """Where each column begins, and how wide it is."""
        unit = (self.room - GUTTER * (len(block.columns) - 1)) / sum(column.share for column in block.columns)
        found, at = [], float(MARGIN)
        for column in block.columns:
            found.append((at, column.share * unit, column))
            at += column.share * unit + GUTTER
        return found

    def font_of(self, column: Column, strong: bool) -> str:
        if column.amount or column.mono:
            return MONO_BOLD if strong else MONO
        return BOLD if strong else TEXT

    def need(self, points: float) -> None:
        if self.y - points < FOOT:
            self.turn()

    def turn(self) -> None:
        self.canvas.showPage()
        self.y = self.height - MARGIN
        self.text(MARGIN, self.y, f"{settings.LETTERHEAD_NAME}  ·  {self.paper.title}", TEXT, SMALL + 0.5, MUTED)
        self.y -= 14

    def text(self, x: float, y: float, text: str, font: str, size: float, color: Any, *, right: bool = False) -> None:
        self.canvas.setFillColor(color)
        self.canvas.setFont(font, size)
        (self.canvas.drawRightString if right else self.canvas.drawString)(x, y, text)


def legible(text: str, font: str) -> str:
    """What the font has no sign for is a question mark: a name in another script is seen to be there, never a blank."""
    if text.isascii():
        return text
    signs = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(one if ord(one) in signs or one.isspace() else "?" for one in text)


def fitting(text: str, font: str, wide: float) -> float:
    """The size at which an amount fits its column: never cut off, never into its neighbour."""
    needed = pdfmetrics.stringWidth(text, font, SIZE)
    return SIZE if needed <= wide else SIZE * wide / needed


def wrapped(text: str, font: str, wide: float) -> list[str]:
    """In lines no wider than that, between words where there are any."""
    lines = []
    for line in simpleSplit(legible(text, font), font, SIZE, wide):
        while pdfmetrics.stringWidth(line, font, SIZE) > wide and len(line) > 1:
            fits = max(n for n in range(1, len(line)) if n == 1 or pdfmetrics.stringWidth(line[:n], font, SIZE) <= wide)
            lines.append(line[:fits])
            line = line[fits:]
        lines.append(line)
    return lines or [""]


class Numbered(Canvas):
    """Keeps its pages until it knows how many there are, and then has ``foot`` write on each."""

    def __init__(self, file: BytesIO, size: tuple[float, float], foot: Any) -> None:
        super().__init__(file, pagesize=size, pageCompression=1, lang="en")
        self.foot = foot
        self.kept: list[dict[str, Any]] = []

    @property
    def pages(self) -> int:
        return len(self.kept)

    def showPage(self) -> None:
        self.kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        kept = self.kept
        for number, page in enumerate(kept, start=1):
            self.__dict__.update(page)
            self.kept = kept
            self.foot(number, len(kept))
            super().showPage()
        super().save()
