"""The picture of a network view as SVG: in a page it takes its colours from there, alone it brings its own."""

from __future__ import annotations

from html import escape

from seewhy.draw import percent, photo_uri
from seewhy.draw.bars import EXPLAINED
from seewhy.draw.colors import AGAINST_FOR
from seewhy.network.cards import PHOTO, Faces
from seewhy.network.layout import Box, Card, ClassRow, Column, Layout, Ribbon

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
INK, PAPER = "#1b1f24", "#ffffff"
AGAINST = AGAINST_FOR[1]
TITLE, SMALL = 14, 12
FAINT = f'fill-opacity="0.7" font-size="{SMALL}"'
BOLD = 'font-weight="650"'
ROUND = '<clipPath id="round{}" clipPathUnits="objectBoundingBox"><rect width="1" height="1" rx="0.06"/></clipPath>'


def network_svg(layout: Layout, faces: Faces, spoken: str, *, inside: str | None = None) -> str:
    """The whole picture as one `<svg>`; `spoken` is what it says to those who cannot see it.

    Alone it holds all it needs. In a page, `inside` names it: it takes its pictures from the `face_definitions` of that
    name and its colours from the page, and its cards lead to `#group-NAME-KEY`.
    """
    parts = [
        *map(_ribbon, layout.ribbons),
        _picture(PHOTO, layout.photo, faces, inside),
        *map(_column, layout.columns),
        *(_card(card, faces, inside) for card in layout.cards),
        *map(_class_row, layout.classes),
    ]
    size = f'width="{layout.width:.0f}" height="{layout.height:.0f}"'
    ground = [] if inside else [ROUND.format(""), f'<rect {size} fill="{PAPER}"/>']
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" {size} '
        f'role="{"group" if inside else "img"}" aria-label="{escape(spoken)}" '
        f'{"" if inside else f"""color="{INK}" """}fill="currentColor" '
        f'font-family="{FONT}" font-size="{TITLE}" text-anchor="middle">'
    )
    return "\n".join([head, *ground, *parts, "</svg>"])


def face_definitions(faces: Faces, name: str) -> str:
    """An `<svg>` of no size with every picture once, for SVGs of this name."""
    images = (
        f'<image id="face-{name}-{key}" width="1" height="1" preserveAspectRatio="none" href="{photo_uri(pixels)}"/>'
        for key, pixels in faces.items()
    )
    hidden = 'width="0" height="0" style="position:absolute" aria-hidden="true"'
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" {hidden}><defs>', ROUND.format(f"-{name}"), *images, "</defs></svg>"]
    )


def spoken_card(card: Card) -> str:
    """A card in a sentence."""
    cluster = card.cluster
    maps = "1 map" if len(cluster.maps) == 1 else f"{len(cluster.maps)} maps"
    parts = [f"{card.layer.name}, group {cluster.index + 1}: {maps} with {card.weight} of the layer's weight"]
    if card.words:
        parts.append("people say " + " ".join(card.words))
    if cluster.effect:
        parts.append(
            f"with its area hidden the class has {percent(cluster.effect.hidden)}, "
            f"with nothing else shown {percent(cluster.effect.shown)}"
        )
    return "; ".join(parts)


def _ribbon(ribbon: Ribbon) -> str:
    bend = (ribbon.to_x - ribbon.x) / 2
    path = (
        f"M{ribbon.x:.1f} {ribbon.y:.1f}"
        f"C{ribbon.x + bend:.1f} {ribbon.y:.1f} {ribbon.to_x - bend:.1f} {ribbon.to_y:.1f} "
        f"{ribbon.to_x:.1f} {ribbon.to_y:.1f}"
    )
    width, opacity = ribbon_look(ribbon)
    return (
        f'<path class="link" data-start="{ribbon.start}" data-end="{ribbon.end}" d="{path}" fill="none" '
        f'stroke="currentColor" stroke-opacity="{opacity:.2f}" stroke-width="{width:.1f}"/>'
    )


def ribbon_look(ribbon: Ribbon) -> tuple[float, float]:
    """Width and opacity."""
    return 0.5 + 7 * ribbon.strength, 0.1 + 0.15 * ribbon.strength


def frame_width(card: Card) -> float:
    """Of a card's frame: as bold as the class suffers where the area is hidden."""
    return 2 + 3 * min(card.fall or 0, 1) if card.confirmed else 1


def _picture(key: str, box: Box, faces: Faces, inside: str | None) -> str:
    if inside:
        place = f"translate({box.x:.1f} {box.y:.1f}) scale({box.width:.2f} {box.height:.2f})"
        return f'<g clip-path="url(#round-{inside})"><use href="#face-{inside}-{key}" transform="{place}"/></g>'
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return f'<image clip-path="url(#round)" {place} preserveAspectRatio="none" href="{photo_uri(faces[key])}"/>'


def _column(column: Column) -> str:
    y = column.y + 22
    lines = [f'<text x="{column.x:.1f}" y="{y:.1f}" {BOLD}>{escape(column.title)}</text>']
    lines += [
        f'<text x="{column.x:.1f}" y="{y + 19 + 16 * number:.1f}" {FAINT}>{escape(line)}</text>'
        for number, line in enumerate(column.lines)
    ]
    lines += [
        f'<text x="{column.x:.1f}" y="{column.remark_y + 12 + 16 * number:.1f}" {FAINT}>{escape(line)}</text>'
        for number, line in enumerate(column.remark)
    ]
    return "".join(lines)


def _card(card: Card, faces: Faces, inside: str | None) -> str:
    middle, y = card.box.x + card.box.width / 2, card.box.y + card.box.height + 4
    texts: list[str] = []
    for line in card.words:
        y += 17
        texts.append(f'<text x="{middle:.1f}" y="{y:.1f}" {BOLD}>{escape(line)}</text>')
    texts.append(f'<text x="{middle:.1f}" y="{y + 17:.1f}" {"" if card.words else BOLD}>{card.weight}</text>')
    texts.append(f'<text x="{middle:.1f}" y="{y + 33:.1f}" {FAINT}>{escape(card.effect)}</text>')
    inner = f"<title>{escape(spoken_card(card))}</title>{_picture(card.key, card.box, faces, inside)}{_frame(card)}"
    group = f'<g class="card" data-key="{card.key}">{inner}{"".join(texts)}</g>'
    return f'<a href="#group-{inside}-{card.key}">{group}</a>' if inside else group


def _frame(card: Card) -> str:
    """Orange where the class suffers when the area is hidden, blue where that part spoke against it; else dotted."""
    box = card.box
    radius = 0.06 * min(box.width, box.height)
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}"'
    if card.confirmed:
        colour = AGAINST if card.cluster.weight < 0 else EXPLAINED
        look = f'stroke="{colour}" stroke-width="{frame_width(card):.1f}"'
    elif card.confirmed is None:
        look = 'stroke="currentColor" stroke-opacity="0.3"'
    else:
        look = 'stroke="currentColor" stroke-opacity="0.35" stroke-dasharray="1 3" stroke-linecap="round"'
    return f'<rect {place} fill="none" {look}/>'


def _class_row(row: ClassRow) -> str:
    x, y, width, _ = row.box
    share = row.prediction.probability
    weight = BOLD if row.explained else ""
    fill = f'fill="{EXPLAINED}"' if row.explained else 'fill-opacity="0.4"'
    end = x + max((width - 58) * share, 1)
    return (
        f'<g class="class" text-anchor="start" {weight}><title>{escape(row.prediction.name)}</title>'
        f'<text x="{x:.1f}" y="{y + 18:.1f}">{escape(row.name)}</text>'
        f'<rect x="{x:.1f}" y="{y + 26:.1f}" width="{end - x:.1f}" height="11" rx="2" {fill}/>'
        f'<text x="{end + 8:.1f}" y="{y + 36:.1f}" font-size="13">{escape(percent(share))}</text></g>'
    )
