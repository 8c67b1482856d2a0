"""Checks and applies the format of date and time in the file names of Cloud Storage subscriptions. Pure.

https://cloud.google.com/pubsub/docs/create-cloudstorage-subscription#file_names
"""

import re
from datetime import datetime
from typing import Final

from localpubsub.errors import InvalidArgument

#: The format if none is configured.
DEFAULT: Final = "YYYY-MM-DDThh:mm:ss+00:00"

#: Each matcher → what it stands for. A format has one matcher of each part, except for the optional parts.
_MATCHERS: Final = {
    "YYYY": "year",
    "YY": "year",
    "MM": "month",
    "DD": "day",
    "hh": "hour",
    "mm": "minute",
    "ss": "second",
    "T": "separator",
    "Z": "time zone",
    "+00:00": "time zone",
}
_OPTIONAL: Final = {"separator", "time zone"}
#: The matchers that do not stand for themselves → directive of strftime.
_DIRECTIVES: Final = {
    "YYYY": "%Y",
    "YY": "%y",
    "MM": "%m",
    "DD": "%d",
    "hh": "%H",
    "mm": "%M",
    "ss": "%S",
}
#: One matcher, longer ones first, or one of the characters that may occur anywhere and any number of times.
_TOKEN: Final = re.compile("|".join(map(re.escape, _MATCHERS)) + "|[-_:/]")


def check_format(text: str) -> None:
    """Reject a format that Pub/Sub rejects.

    Raises:
        InvalidArgument: a part of date and time is missing or occurs twice, or a character is not allowed.
    """
    tokens = _TOKEN.findall(text)
    parts = [_MATCHERS[token] for token in tokens if token in _MATCHERS]
    required = set(_MATCHERS.values()) - _OPTIONAL
    if "".join(tokens) != text or len(parts) != len(set(parts)) or not required <= set(parts):
        raise InvalidArgument(
            f"Invalid filename_datetime_format given (value={text}): it must contain YYYY or YY, MM, DD, hh, "
            "mm and ss exactly once, may contain T, and Z or +00:00, once, and - _ : / any number of times."
        )


def format_time(text: str, moment: datetime) -> str:
    """Return the date and time in a file name, with the separator from what follows it.

    The separator is an underscore, unless the format ends with a character that is not part of a matcher.

    Args:
        text: a valid format, or an empty string for the default.
        moment: the time, in UTC.
    """
    tokens = _TOKEN.findall(text or DEFAULT)
    separator = "_" if tokens[-1] in _MATCHERS else ""
    return moment.strftime("".join(_DIRECTIVES.get(token, token) for token in tokens)) + separator
