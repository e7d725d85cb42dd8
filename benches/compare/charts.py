"""Bar charts as SVG, readable on light and on dark pages."""

from html import escape

from engines import OURS, SINKS

WIDTH, LEFT, RIGHT = 720, 168, 96
BAR, GAP, GROUP = 16, 5, 30
STYLE = """
    text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
    .title { font-size: 15px; font-weight: 600 }
    .group { font-weight: 600 }
    .soft { fill: #656d76 }
    .page { fill: #ffffff; stroke: #d1d9e0 }
    .bar { fill: #a5b1c2 }
    .ours { fill: #0b7285 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .soft { fill: #9198a1 }
      .page { fill: #0d1117; stroke: #3d444d }
      .bar { fill: #57606a }
      .ours { fill: #3bc9db }
    }
"""


def chart(title, subtitle, groups, unit):
    """Horizontal bars. `groups` are `(label, [(name, value), …])`; less is better."""
    most = max(value for _, bars in groups for _, value in bars)
    room = WIDTH - LEFT - RIGHT
    parts = []
    y = 58
    for label, bars in groups:
        y += GROUP - GAP
        parts.append(f'<text class="group" x="20" y="{y}">{escape(label)}</text>')
        y += 9
        for name, value in bars:
            kind = "ours" if name == OURS else "bar"
            length = max(room * value / most, 1)
            middle = y + BAR - 4
            parts += [
                f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
                f'<text class="soft" x="{LEFT + length + 6:.1f}" y="{middle}">{shown(value)} {unit}</text>',
            ]
            y += BAR + GAP
    height = y + 16
    described = "; ".join(f"{label}: " + ", ".join(f"{name} {shown(value)} {unit}" for name, value in bars) for label, bars in groups)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <desc>{escape(described)}</desc>",
        f"  <style>{STYLE}  </style>",
        f'  <rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'  <text class="title" x="20" y="30">{escape(title)}</text>',
        f'  <text class="soft" x="20" y="49">{escape(subtitle)}</text>',
        *(f"  {part}" for part in parts),
        "</svg>",
        "",
    ])


def shown(value):
    return f"{value:.0f}" if value >= 20 else f"{value:.2f}"


def draw(figures, folder):
    """The charts of a comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {"J1": "J1, upsert with a lookup", "J2": "J2, upsert with a self lookup"}
    written = {"own": "each peer into what costs it least, syncline into CSV", "csv": "all of them into CSV"}
    drawings = [(f"time-{sink}", "Wall time", sink, "wall", "s") for sink in SINKS] + [("memory", "Peak memory", "own", "peak", "MB")]
    for file, title, sink, what, unit in drawings:
        groups = []
        for job in figures.jobs:
            for threads in figures.threads:
                bars = [(OURS, figures.middle(OURS, "csv", job, threads, what=what))]
                bars += [(name, figures.middle(name, sink, job, threads, what=what)) for name in figures.peers]
                groups.append((f"{jobs[job]}, {threads} thread{'s' if threads > 1 else ''}", sorted(bars, key=lambda bar: bar[1])))
        subtitle = f"{figures.rows:,} usage rows, {written[sink]}; less is better"
        (folder / f"{file}.svg").write_text(chart(title, subtitle, groups, unit), encoding="utf-8")
