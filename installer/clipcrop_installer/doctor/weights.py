"""Weights that are here, and their hashes; the environment's own command knows."""

from __future__ import annotations

import json
from typing import Any

from ..programs import last_line
from .finding import Context, Finding

_ABOUT = "weights"


def check_weights(context: Context) -> list[Finding]:
    """Every byte of what is here is read and compared."""
    if context.environment is None:
        return []
    code, lines = context.environment.run(
        "clipcrop", ["models", "verify", "--json"], context.world, {}
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    if code not in (0, 1) or not found:
        text = f"clipcrop models verify ended with exit code {code}: {last_line(lines)}"
        return [Finding("problem", _ABOUT, text, "run it by hand to see more")]
    findings = []
    for one in found:
        name = one["name"]
        if one["problems"]:
            advice = f"clipcrop-setup models download {name}"
            findings.append(Finding("problem", _ABOUT, "; ".join(one["problems"]), advice))
        else:
            size = f"{one['size_bytes'] / 1e6:.0f} MB"
            text = f"{name} is {one['proof_text']} ({size})"
            findings.append(Finding("ok", _ABOUT, text))
    return findings
