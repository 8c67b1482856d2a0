"""Tests that bytes in every encoding are decoded to the characters that a browser shows."""

import json
from pathlib import Path

from webencodings.labels import LABELS

from contract.encodings import decode_bytes, find_encoding
from tests.servers.chromium import run_script

#: Encodings in which each of the bytes from 0x80 on, and each pair of bytes, is compared.
NAMES = sorted(set(LABELS.values()) - {"utf-8", "utf-16le", "utf-16be", "x-user-defined", "replacement"})


#: Sequences that Chromium itself decodes to lone surrogates: letters with two accents, in Hong Kong's Big5.
WRONG_IN_CHROMIUM = {"\x88b", "\x88d", "\x88\xa3", "\x88\xa5"}
#: Sequences for which Python has the character of another sequence, so that they cannot be told apart: two
#: slashes of Big5, and a tilde of JIS X 0212.
NOT_DISTINGUISHED = {"\xa2A", "\xa2B", "\x8f\xa2\xb7"}
PAGE = """<!DOCTYPE html><meta charset=utf-8><script>onload = () => {
  const answer = document.createElement("textarea");
  answer.textContent = JSON.stringify(%s.map(([name, sequences]) => sequences.map((each) =>
    new TextDecoder(name).decode(Uint8Array.from(each, (character) => character.charCodeAt(0))))));
  document.documentElement.replaceChildren(answer);
}</script>"""


def sequences(name: str) -> list[str]:
    """Return the sequences of bytes that are compared, each as Latin-1."""
    single = [chr(byte) for byte in range(0x80, 0x100)]
    if not name.startswith(("big5", "euc", "gb", "shift", "iso-2022")):
        return single
    low = range(0x21, 0x7F)
    if name == "iso-2022-jp":
        return [f"\x1b$B{chr(lead)}{chr(trail)}\x1b(B" for lead in low for trail in low]
    pairs = [lead + chr(trail) for lead in single for trail in range(0x40, 0x100)]
    return single + pairs + (["\x8f" + pair for pair in pairs] if name == "euc-jp" else [])


def test_characters_of_every_encoding_are_those_of_chromium(tmp_path: Path) -> None:
    """Each sequence that is valid in Chromium is decoded to the same text."""
    questions = [(name, sequences(name)) for name in NAMES]
    page = tmp_path / "page.html"
    page.write_text(PAGE % json.dumps(questions), encoding="utf-8")
    answers = run_script(page.as_uri(), tmp_path / "profile")
    differences = []
    for (name, all_bytes), texts in zip(questions, answers, strict=True):
        encoding = find_encoding(name)
        assert encoding is not None
        for each, expected in zip(all_bytes, texts, strict=True):
            found = decode_bytes(each.encode("latin-1"), encoding)
            if found != expected and not ("\ufffd" in found and "\ufffd" in expected):
                differences.append((name, each, found, expected))
    assert [each for each in differences if not _is_explained(*each)] == []


def _is_explained(name: str, sequence: str, found: str, _expected: str) -> bool:
    # Python does not know about 200 characters that Big5 has only in Hong Kong; they become U+FFFD.
    unknown = name == "big5" and "\ufffd" in found
    return unknown or sequence in WRONG_IN_CHROMIUM | NOT_DISTINGUISHED
