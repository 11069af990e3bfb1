"""Findings -> lines for people, or JSON for programs; without what is the user's own if asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from .finding import Finding

_KEY = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_PROMPT = re.compile(r"\b(prompt|text|exclude|image|path|file)=.*", re.IGNORECASE)
_SHORTEST_NAME = 3


@dataclass(frozen=True)
class Private:
    """What must not be in an issue tracker, besides keys and prompts."""

    home: PurePath
    user: str
    host: str

    def hidden(self, text: str) -> str:
        """The text without it."""
        if self.home.name:  # else it is the root of all paths
            for home in {str(self.home), self.home.as_posix()}:
                text = text.replace(home, "~")
        for name, stand_in in ((self.user, "USER"), (self.host, "HOST")):
            if len(name) >= _SHORTEST_NAME:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stand_in, text)
        return _PROMPT.sub(r"\1=...", _KEY.sub("KEY", text))


def redacted(findings: Sequence[Finding], private: Private) -> list[Finding]:
    """Findings to be shown to strangers. Of the log no DEBUG line stays: those quote the user."""
    return [
        replace(
            one,
            text=private.hidden(one.text),
            advice=private.hidden(one.advice),
            details=tuple(private.hidden(line) for line in one.details if " DEBUG " not in line),
        )
        for one in findings
    ]


def to_lines(findings: Sequence[Finding], *, with_details: bool = False) -> list[str]:
    """One line each, and what to do below it; at the end the sum."""
    lines = []
    for one in findings:
        lines.append(f"{one.verdict:<8} {one.about}: {one.text}")
        if one.advice:
            lines.append(f"{'':<8} -> {one.advice}")
        if with_details:
            lines += [f"{'':<8}  | {line}" for line in one.details]
    counts = {kind: sum(one.verdict == kind for one in findings) for kind in ("problem", "warning")}
    if not any(counts.values()):
        return [*lines, "", "All is well."]
    said = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()]
    return [*lines, "", f"{', '.join(said)}."]


def to_values(findings: Sequence[Finding], facts: Mapping[str, str]) -> dict[str, Any]:
    """As JSON has them.

    Args:
        findings: What was found.
        facts: About the machine, such as its system.
    """
    return {
        **facts,
        "ok": not has_problems(findings),
        "findings": [asdict(one) for one in findings],
    }


def has_problems(findings: Sequence[Finding]) -> bool:
    """Warnings are none."""
    return any(one.verdict == "problem" for one in findings)
