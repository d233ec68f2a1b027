"""Files that might have been spliced and are, or will be, rewritten in full: named by the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def in_full(files: Iterable[tuple[str, str]], *, done: bool) -> Iterator[str]:
    """A line for each reason, of (path, why) in their order; without a reason there is nothing to say. `done`, or foretold."""
    found: dict[str, list[str]] = {}
    for path, why in files:
        if why:
            found.setdefault(why, []).append(path)
    for why, (first, *others) in found.items():
        more = f" and {len(others):,} more file{'s' if len(others) > 1 else ''}" if others else ""
        verb = "will be" if not done else "were" if others else "was"
        yield f"{first}{more} {verb} rewritten in full: {why}"
