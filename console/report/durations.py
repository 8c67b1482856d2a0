"""Writes durations. Nearly all commands need them, and this module imports nothing else. Pure."""


def duration(seconds: float) -> str:
    """Return a duration with its two largest units, for example `1 h 7 min`; no seconds from 10 min on."""
    whole = max(1, round(seconds)) if seconds else 0
    if whole >= 600:
        whole = round(whole / 60) * 60
    units = (("d", 24 * 3600), ("h", 3600), ("min", 60), ("s", 1))
    parts = list[str]()
    for name, size in units:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
