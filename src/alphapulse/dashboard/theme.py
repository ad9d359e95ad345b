"""Colours, type and the few building blocks that every page shares."""

from nicegui import ui

__all__ = [
    "ALARM",
    "CALM",
    "CAPTION",
    "CARD",
    "GAIN",
    "INK",
    "LINE",
    "LOSS",
    "MUTED",
    "PANEL",
    "PRACTICE",
    "SERIES",
    "WAITING",
    "WARNING",
    "card",
    "dress",
    "show",
    "state_colour",
]

INK = "#e5e7eb"
MUTED = "#8b98a9"
LINE = "#1f2a37"
PANEL = "#111827"
GAIN = "#34d399"
LOSS = "#fb7185"
SERIES = ["#60a5fa", "#f472b6", "#fbbf24", "#34d399", "#a78bfa", "#fb923c", "#22d3ee", "#a3e635"]

# Background, border and text of a strip.
CALM = ("#0d1f1c", "#14532d", "#86efac")
WAITING = ("#111827", "#334155", "#cbd5e1")
PRACTICE = ("#1e1b3a", "#6d28d9", "#c4b5fd")
WARNING = ("#3b2106", "#d97706", "#fde68a")
ALARM = ("#7f1d1d", "#ef4444", "#ffffff")

CARD = "bg-[#111827] rounded-xl shadow-none border border-[#1f2a37] p-4 gap-2 min-w-0"
CAPTION = "text-xs uppercase tracking-wider text-[#8b98a9]"

_STATE_COLOURS = {
    "succeeded": GAIN,
    "live": GAIN,
    "reverted": LOSS,
    "quarantined": LOSS,
    "pending": "#fbbf24",
    "stale": "#fbbf24",
    "signalled": "#60a5fa",
    "dry run": "#c4b5fd",
}

_STYLE = """
body { background-color: #0b1220; color: #e5e7eb; font-variant-numeric: tabular-nums; }
.nicegui-content { padding: 0; }
.q-table__container { background: transparent !important; }
.q-table th { color: #8b98a9; font-weight: 500; font-size: 12px; }
.q-table td, .q-table th { padding: 4px 8px !important; border-color: #1f2a37 !important; white-space: nowrap; }
.q-table td:first-child, .q-table th:first-child { padding-left: 0 !important; }
.q-table td:last-child, .q-table th:last-child { padding-right: 0 !important; }
.q-table tbody td:before { background: transparent !important; }
.q-table__bottom { color: #8b98a9; border: 0 !important; padding-left: 0 !important; }
.q-table td.route { width: 100%; max-width: 0; overflow: hidden; text-overflow: ellipsis; }
.exact { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 12px; color: #8b98a9; }
.q-table__bottom .q-icon { display: none; }
a.plain { color: #60a5fa; text-decoration: none; }
a.plain:hover { text-decoration: underline; }
body:has(#popup[aria-hidden="false"]) .nicegui-content { filter: grayscale(1); opacity: 0.3; }
.nicegui-error-popup { transition-property: opacity, visibility; }
#popup[aria-hidden="false"] {
  inset: 0 0 auto 0 !important; max-width: none; margin: 0 !important; border-radius: 0; background: #7f1d1d !important; color: #ffffff;
}
@media (max-width: 1023px) { .from-lg { display: none !important; } }
@media (max-width: 639px) { .from-sm { display: none !important; } }
"""


def dress() -> None:
    """Give the page its look."""
    ui.add_css(_STYLE)


def card(title: str) -> ui.card:
    """Return a card with its caption."""
    made = ui.card().classes(CARD + " w-full")
    with made:
        ui.label(title).classes(CAPTION)
    return made


def show(label: ui.label, words: str) -> None:
    """Set a label's text, and send nothing when it is what it was."""
    if label.text != words:
        label.set_text(words)


def state_colour(state: str) -> str:
    """Return the colour of an execution's or a pool's state."""
    return _STATE_COLOURS.get(state, MUTED)
