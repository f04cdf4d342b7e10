"""Numbers as people read them; a dash for what is not known."""

from __future__ import annotations

UNKNOWN = "–"


def number_text(value: float | None, digits: int = 0) -> str:
    """With thousands separated, and so many digits after the point."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 4) -> str:
    """With its sign, the minus a real one."""
    return UNKNOWN if value is None else f"{value:+.{digits}f}".replace("-", "−")


def p_text(value: float | None) -> str:
    """A probability; below a thousandth only that."""
    return number_text(value, 3) if value is None or value >= 0.001 else "<0.001"


def cost_text(value: float | None) -> str:
    """US dollars."""
    if value is None:
        return UNKNOWN
    return "nothing" if value == 0 else f"${value:.3g}" if value < 0.01 else f"${value:,.2f}"


def bytes_text(value: float | None) -> str:
    """In the unit that leaves one to three digits before the point."""
    if value is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
