"""Quotes texts from outside for people and logs: hides passwords of URLs, escapes control characters. Pure.

A URL may contain a user and a password (its *userinfo*, RFC 3986 section 3.2.1). `check_url` refuses such a
URL, because whatever is requested is also logged and stored. So the sentence that refuses it, and any other
text from outside that a detail, a log line, a response or an attribute repeats, must not contain them either.
"""

import re

HIDDEN = "***"  #: replaces the userinfo of a URL
#: Number of characters after the end of a shortened text in which the end of a userinfo is searched.
MAX_USERINFO_CHARACTERS = 4096
# Browsers remove tabs and line ends wherever they are in a URL (https://url.spec.whatwg.org/#url-parsing). In
# a text that `repr` or `json.dumps` has quoted, they are a backslash with a letter.
_IGNORED = r"(?:[\t\n\r]|\\+[nrt])*"
_SLASHES = r"(?:[\t\n\r]|\\[nrt]|[/\\])*"
# These schemes are followed by a host even without slashes (https://url.spec.whatwg.org/#special-scheme).
_SPECIAL_SCHEME = "|".join(_IGNORED.join(scheme) for scheme in ("https", "http", "wss", "ws", "ftp"))
_START = rf"(?:(?<![a-z0-9+.-])(?:{_SPECIAL_SCHEME}){_IGNORED}:|[/\\]{_IGNORED}[/\\]){_SLASHES}"
# The part of a URL in which userinfo may be. It begins after such a scheme, or after two slashes, for which
# backslashes may stand. It may contain spaces and further `@`; the last `@` ends the userinfo.
_AUTHORITY = re.compile(rf"{_START}(?P<authority>(?:[^/\\?#]|\\+[nrt'\"])*)", re.IGNORECASE)
# A password with an unescaped `/`, `\`, `?` or `#`: what seems to be the port is not a number, so the URL is
# invalid, and the message that quotes it must not contain the password. The length is limited, so that the
# time for a long text is, too.
_UNESCAPED_USERINFO = re.compile(r"[^/\\?#@:\[\s]*:(?!\d*(?:[/\\?#\s]|\Z))\S{0,1000}@")
_BEYOND_ASCII = re.compile(r"[^ -~]+")
# Characters that Python calls printable, but of which nothing is seen: the letters and marks among the
# Default_Ignorable_Code_Points of Unicode (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point),
# and the empty Braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def hide_userinfo(text: str) -> str:
    """Return a URL, or a text that may contain URLs, with `***` instead of the user and password of each URL.

    If it is uncertain whether a text is a URL, the part before its `@` is hidden. Hiding twice changes
    nothing. Other secrets, for example in a query, are not hidden.
    """
    if "@" not in text:
        return text
    parts, end = list[str](), 0
    while match := _AUTHORITY.search(text, end):
        authority, start = match["authority"], match.start("authority")
        parts.append(text[end:start])
        end = match.end()
        if "@" in authority:
            authority = f"{HIDDEN}@{authority.rpartition('@')[2]}"
        elif unescaped := _UNESCAPED_USERINFO.match(text, start):
            authority, end = f"{HIDDEN}@", unescaped.end()
        parts.append(authority)
    return "".join([*parts, text[end:]])


def shorten(text: str, max_characters: int) -> str:
    """Return the beginning of a text, without the user and password of each URL.

    Args:
        text: a text of any length.
        max_characters: the maximum length of the result, whose last character is `…` if the text was cut.
    """
    head = text[: max_characters + MAX_USERINFO_CHARACTERS]  # a text of megabytes is not searched as a whole
    hidden = hide_userinfo(head)
    is_cut = len(head) < len(text)
    if is_cut and (end := _unfinished_authority(hidden)) is not None:
        hidden = hidden[:end]  # it may be a part of a user or password whose `@` was cut off
    if is_cut or len(hidden) > max_characters:
        return hidden[: max_characters - 1].removesuffix("…") + "…"
    return hidden


def quote(text: str, max_characters: int = 200) -> str:
    """Return a text for a message: in quotes, escaped as by `repr`, and shortened by `shorten`."""
    return repr(shorten(text, max_characters))


def escape_unprintable(text: str) -> str:
    r"""Return a text with visible escapes (`\u001b`) for what a terminal does not show, or would obey.

    These are control characters, line ends, marks that change the direction of writing, invisible and
    unassigned characters, and lone surrogates. Spaces and the letters of all scripts are kept. The escapes
    are those of JSON (RFC 8259 section 7), so an escaped JSON document has the same values as before.
    """
    return _BEYOND_ASCII.sub(_escape_run, text)


def _unfinished_authority(text: str) -> int | None:
    """Return where an authority begins that reaches to the end of the text; None if there is none."""
    ends = (found.start("authority") for found in _AUTHORITY.finditer(text) if found.end() == len(text))
    return next(ends, None)


def _escape_run(match: re.Match[str]) -> str:
    run = match[0]
    if run.isprintable() and not _INVISIBLE.search(run):
        return run
    return "".join(map(_escape, run))


def _escape(character: str) -> str:
    is_space = ord(character) > 0x7F and character.isspace() and character not in "\x85\u2028\u2029"
    if is_space or (character.isprintable() and not _INVISIBLE.match(character)):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
