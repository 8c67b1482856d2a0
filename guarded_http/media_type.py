"""Finds the media type in a Content-Type header. Pure."""

import re

_NAME = r"[!#$%&'*+.^_`|~0-9a-z-]+"  # a token (RFC 9110 section 5.6.2), in lower case
_MEDIA_TYPE = re.compile(rf"\s*({_NAME}/{_NAME})\s*(?:;|$)")
#: Media types that say nothing (https://mimesniff.spec.whatwg.org/#interpreting-the-resource-metadata).
_UNKNOWN = frozenset({"*/*", "application/unknown", "unknown/unknown"})


def media_type(content_type: str) -> str:
    """Return the media type in lower case and without parameters; `""` if the header does not name one.

    If the header was sent several times, the last media type is returned (Fetch Standard, "extract a MIME
    type").

    Args:
        content_type: the Content-Type header; several values are separated by commas.
    """
    for value in reversed(content_type.lower().split(",")):
        match = _MEDIA_TYPE.match(value)
        if match and match[1] not in _UNKNOWN:
            return match[1]
    return ""
