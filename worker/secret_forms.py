"""Finds the value of a secret in texts, in whatever form a site has repeated it. Pure."""

import html
import json
import re
from base64 import b64encode
from urllib.parse import quote, quote_plus, unquote

#: A detail may have been cut within a value. So many of its first characters before a cut are enough to hide.
MIN_CUT_CHARACTERS = 4
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_CUT = re.compile(r"\Z|['\"…]")


class SecretForms:
    """The forms in which the value of one secret may occur in a text.

    Args:
        name: the name of the secret, which replaces the value.
        value: the value: ASCII characters, more than 4.
    """

    def __init__(self, name: str, value: str) -> None:
        self._mark = f"[secret {name}]"
        characters = [_forms_of_character(character) for character in value]
        # The value as credentials of HTTP's Basic authentication (RFC 7617).
        credentials = b64encode(value.encode()).decode()
        self._pattern = re.compile("".join(characters) + "|" + re.escape(credentials), re.IGNORECASE)
        self._start = re.compile("".join(characters[:MIN_CUT_CHARACTERS]), re.IGNORECASE)
        self._others = [re.compile(each, re.IGNORECASE) for each in characters[MIN_CUT_CHARACTERS:]]
        self._texts = sorted({*_escaped_texts(value), credentials}, key=lambda text: (-len(text), text))

    def is_in(self, text: str) -> bool:
        """Return whether a text contains the value, even if single characters of it are escaped.

        The name that has replaced the value counts as well: in a page it stands where the site repeated it.
        """
        return self._pattern.search(text) is not None or self._mark in unquote(text)

    def hide_in_detail(self, text: str) -> str:
        """Return a short text with the name instead of the value.

        The value is found even if single characters are escaped, or if the text was cut within the value.
        """
        return self._hide_cut(self._pattern.sub(self._mark, text))

    def hide_in_text(self, text: str) -> str:
        """Return a text with the name instead of the value.

        The value is found as it is, or wholly escaped for a URL, JSON or HTML. This is fast enough for pages.
        """
        for form in self._texts:
            text = text.replace(form, self._mark)
        return text

    def hide_in_bytes(self, body: bytes) -> bytes:
        """Do the same with the bytes of a text in an encoding that contains ASCII."""
        for form in self._texts:
            body = body.replace(form.encode(), self._mark.encode())
        return body

    def _hide_cut(self, text: str) -> str:
        """Hide the beginning of the value if it stands where a text was cut."""
        position = 0
        while found := self._start.search(text, position):
            end, position = found.end(), found.start() + 1
            for character in self._others:
                match = character.match(text, end)
                if match is None:
                    break
                end = match.end()
            if _CUT.match(text, end):
                position = found.start() + len(self._mark)
                text = text[: found.start()] + self._mark + text[end:]
        return text


def _escaped_texts(value: str) -> set[str]:
    written = json.dumps(value)[1:-1]
    texts = {value, written, written.replace("/", "\\/")}
    for escaped in (quote(value), quote(value, safe=""), quote_plus(value)):
        texts |= {escaped, _ESCAPE.sub(lambda match: match[0].lower(), escaped)}
    return texts | {html.escape(value), html.escape(value, quote=False)}


def _forms_of_character(character: str) -> str:
    """Return a pattern of the forms of a character: as it is, or escaped for a URL, JSON or HTML."""
    code = f"{ord(character):02x}"
    forms = [
        re.escape(character),
        f"%(?:25)*{code}",
        rf"\\+u00{code}",
        f"&#x0*{code};",
        f"&#0*{ord(character)};",
    ]
    if character in "'\"\\/":
        forms.append(rf"\\+{re.escape(character)}")
    if html.escape(character) != character:
        forms.append(re.escape(html.escape(character)))
    if character == " ":
        forms.append(r"\+")
    # The longest form first: a backslash is also the beginning of its escaped forms.
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"
