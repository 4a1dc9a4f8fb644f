"""Numbers of bytes, as both sides write them for people."""

from __future__ import annotations

DIGITS = 3
"""How many digits are enough."""


def size(count: int) -> str:
    """Return a number of bytes with the unit that suits it."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            amount = count / unit
            # With three digits before the point, `g` would go over to powers of ten.
            return f"{amount:,.0f} {name}" if amount >= 10 ** (DIGITS - 1) else f"{amount:.{DIGITS}g} {name}"
    return f"{count} bytes"
