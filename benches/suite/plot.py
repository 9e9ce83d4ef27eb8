"""Plot: a row's contenders as bars, by how much of the raw client's speed they reach."""

from html import escape

from suite.results import speed_of

COLOURS = {"pailfs": "#1f6f8b", "s3fs": "#e0a458", "rclone": "#a45a52"}
LABEL_WIDTH, BAR_WIDTH, VALUE_WIDTH = 400, 480, 60
BAR, GAP, TOP, BOTTOM = 11, 10, 46, 30
# Bars end here; what goes beyond says so by its number.
SPEED_MAX = 1.25


def plot(results, rows, names):
    """An SVG; contenders who did not take part in a row have no bar."""
    mounting = [name for name in names if name != "raw"]
    parts, top = [legend(mounting)], TOP
    begin = top
    for row in rows:
        bars = [(name, speed_of(results, row, name)) for name in mounting
                if not row.contenders or name in row.contenders]
        parts.append(group(row.title, bars, top))
        top += BAR * len(bars) + GAP
    parts.insert(0, grid(begin, top))
    width, height = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH, top + BOTTOM
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *parts,
        "</svg>",
        "",
    ])


def x_of(speed):
    return LABEL_WIDTH + BAR_WIDTH * min(speed, SPEED_MAX) / SPEED_MAX


def legend(names):
    parts = ['<text x="8" y="20" font-size="13">Speed, the raw S3 client being 1</text>']
    for index, name in enumerate(names):
        x = LABEL_WIDTH + index * 90
        parts.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{colour(name)}"/>'
                     f'<text x="{x + 17}" y="20">{escape(name)}</text>')
    return "\n".join(parts)


def grid(begin, end):
    parts = []
    for quarter in range(6):
        x, speed = x_of(quarter / 4), quarter / 4
        stroke = "#555" if speed == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" y1="{begin - 6}" x2="{x:.1f}" y2="{end}" '
                     f'stroke="{stroke}"/>'
                     f'<text x="{x:.1f}" y="{end + 16}" text-anchor="middle">{speed:g}</text>')
    return "\n".join(parts)


def group(title, bars, top):
    middle = top + BAR * len(bars) / 2 + 4
    parts = [f'<text x="{LABEL_WIDTH - 8}" y="{middle:.1f}" text-anchor="end">{escape(title)}</text>']
    for index, (name, speed) in enumerate(bars):
        y = top + index * BAR
        shown = speed or 0
        parts.append(
            f'<rect x="{LABEL_WIDTH}" y="{y}" width="{x_of(shown) - LABEL_WIDTH:.1f}" '
            f'height="{BAR - 1}" fill="{colour(name)}"/>'
            f'<text x="{x_of(shown) + 4:.1f}" y="{y + BAR - 2}" font-size="9">'
            f'{f"{speed:.2f}" if speed else "not done"}</text>')
    return "\n".join(parts)


def colour(name):
    return COLOURS.get(name, "#777")
