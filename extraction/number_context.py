"""Reads what stands next to a number and may change it: signs, brackets, multipliers. Pure.

What is not understood is refused: `±5`, `5-`, `5 million` and `(22)` are not certainly 5, 5, 5 and 22.
"""

import re
import unicodedata

from extraction.errors import ConversionError, quote
from extraction.number_words import CURRENCY, MULTIPLIERS

_WINDOW = 60  #: number of characters before and after a number that are read
_HYPHENS = "-\u2010\u2011"
_MINUSES = f"{_HYPHENS}−–\u2012\ufe63\uff0d"
_PLUSES = "+\uff0b"
_SIGNS = f"{_MINUSES}{_PLUSES}—―±∓⁻₋⁺"
_LETTER = r"[^\W\d_]"
_SPACE = re.compile(r"\s+")
# A sign, a currency and another sign, each of which may be missing, with at most one space between them.
_BEFORE = re.compile(
    rf"(?P<outer>[{_SIGNS}]+)?(?P<gap> ?)(?:(?P<currency>{CURRENCY})(?P<space> ?))?"
    rf"(?P<inner>[{_SIGNS}]+)?(?P<last_gap> ?)\Z"
)
_A_SIGN_MAY_FOLLOW = frozenset(["", *"([{\uff08:;,=|\"' "])
_OPERATOR_BEFORE = re.compile(
    r"(?:[/^…]|[~\u223c≈≃<>≤≥≠√×÷] ?|[<>!]= ?|\b(?:minus|negativ[eo]?|moins|menos|meno) ?)\Z", re.IGNORECASE
)
_DASHED_WORD = re.compile(rf"(?:\A| )[{_MINUSES}—] ?{_LETTER}+\.? ?\Z")  # the word may be a currency
_CURRENCY_AFTER = re.compile(rf" ?{CURRENCY}")
_COMPOUND = re.compile(rf"[{_HYPHENS}]{_LETTER}")  # 3-teilig, 24-pack
_SIGN_AFTER = re.compile(rf"[{_SIGNS}]| [{_SIGNS}](?:[^ ]|\Z)| [{_SIGNS}] \Z")
_OPERATOR_AFTER = re.compile(r"\.\.|[…^]| ?(?:minus|plus)\b", re.IGNORECASE)
_MULTIPLIER = re.compile(
    rf"[ -]?(?:(?i:{'|'.join(sorted(MULTIPLIERS))})(?!{_LETTER})|[만억천조])"
    rf"| ?(?:(?:[kKMB]|MM|[cC][rR]|D[rR])(?!{_LETTER})|[kKmMT](?:[€$£]|EUR\b))"
)
_MULTIPLIER_OF_AMOUNT = re.compile(rf" ?[mbL](?!{_LETTER})")  # €5m, but not 5 m
_AND_A_PART = re.compile(
    r" ?(?:einhalb|(?:and|und|et|y|e|en|och|i) (?:an? |een |en |un )?"
    r"(?:half|halves|quarter|third|halb|demi|quart|medi|cuarto|mezz|mei[oa]|halv|kwart|pół))",
    re.IGNORECASE,
)
_BRACKETS = dict(zip("([{\uff08\uff3b", ")]}\uff09\uff3d", strict=True))


def is_negative(text: str, start: int, end: int, *, has_decimals: bool) -> bool:
    """Return whether the number at `text[start:end]` is negative.

    Args:
        text: the text.
        start: where the number begins, without its sign and its currency.
        end: where the number ends.
        has_decimals: whether the number has decimals.

    Raises:
        ConversionError: if something next to the number may change it, and is not understood.
    """
    before = _SPACE.sub(" ", text[max(0, start - _WINDOW) : start])
    after = _SPACE.sub(" ", text[end : end + _WINDOW])
    match = _BEFORE.search(before)
    currency_after = _CURRENCY_AFTER.match(after)
    tail = after if currency_after is None else after[currency_after.end() :]
    if match is None:  # cannot happen: the pattern matches the empty end of every text
        raise _refusal(text, before)
    rest = before[: match.start()]
    _check_operators(text, before, rest, after, tail)
    if match["currency"] and (multiplier := _MULTIPLIER_OF_AMOUNT.match(after)):
        raise _refusal(text, multiplier[0])
    negative = _is_minus(text, match, before, at_start=start <= _WINDOW)
    if currency_after is not None and match["outer"] and not negative and match["outer"] in _HYPHENS:
        raise _refusal(text, match["outer"])  # `Rabatt-5 €` may be a word with a hyphen, or a negative amount
    opening, closing = rest.rstrip()[-1:], tail.lstrip()[:1]
    if _BRACKETS.get(opening) != closing:
        if opening in _BRACKETS and _BRACKETS[opening] not in text[end:]:
            raise _refusal(text, opening)
        if closing in _BRACKETS.values() and not _is_opened(text[:start], closing):
            raise _refusal(text, closing)
        return negative
    if negative or opening not in "(\uff08" or not _is_amount(text, start, end, has_decimals=has_decimals):
        raise ConversionError(
            f"{quote(text)} has a number in brackets, which may be negative; select it with the field's key "
            "`re`"
        )
    return True


def _is_amount(text: str, start: int, end: int, *, has_decimals: bool) -> bool:
    """Return whether a text is only a number in brackets, with a currency or decimals."""
    if len(text) > 2 * _WINDOW or not (has_decimals or re.search(CURRENCY, text)):
        return False
    around = re.sub(CURRENCY, "", text[:start]) + re.sub(CURRENCY, "", text[end:])
    return "".join(around.split()) in {"()", "\uff08\uff09"}


def _check_operators(text: str, before: str, rest: str, after: str, tail: str) -> None:
    for where in (before, rest):
        operator = _OPERATOR_BEFORE.search(where)
        if operator is not None:
            raise _refusal(text, operator[0])
    if before[-1:].isnumeric():
        raise _refusal(text, before[-1])
    following = after.lstrip(" ")[:1]
    if following.isnumeric() or (after and unicodedata.category(after[0]).startswith("M")):
        raise _refusal(text, following)
    for pattern, where in (
        (_OPERATOR_AFTER, after),
        (_MULTIPLIER, after),
        (_MULTIPLIER, tail),
        (_AND_A_PART, after),
        (_SIGN_AFTER, tail),
    ):
        operator = pattern.match(where)
        is_compound = pattern is _SIGN_AFTER and where is after and _COMPOUND.match(after) is not None
        if operator is not None and not is_compound:
            raise _refusal(text, operator[0])


def _is_minus(text: str, match: re.Match[str], before: str, *, at_start: bool) -> bool:
    """Return whether there is a minus before a number; False if it is the hyphen of a word (`SKU-123`)."""
    sign, currency = (match["outer"] or "") + (match["inner"] or ""), match["currency"] or ""
    rest = before[: match.start()]
    if not sign:
        word = _DASHED_WORD.search(before)
        if word is not None:
            raise _refusal(text, word[0])
        return False
    if len(sign) > 1 or sign not in _MINUSES + _PLUSES:
        raise _refusal(text, sign)
    is_word = currency.rstrip(".")[-1:].isalpha()
    if match["inner"]:  # €-5 and kr -5 have a sign; EUR-5 may be a word with a hyphen, like TOP-10
        understood = not match["last_gap"] and (not is_word or bool(match["space"]))
    elif match["gap"]:  # `- €5` is negative at the start of a text; elsewhere the dash may separate words
        understood = at_start and not rest.strip() and not is_word
    else:
        understood = rest[-1:] in _A_SIGN_MAY_FOLLOW
        if not understood and rest[-1:].isalpha() and sign in _HYPHENS and not currency:
            return False
    if not understood:
        raise _refusal(text, sign)
    return sign in _MINUSES


def _is_opened(before: str, closing: str) -> bool:
    opening = next(each for each in _BRACKETS if _BRACKETS[each] == closing)
    return before.count(opening) > before.count(closing)


def _refusal(text: str, what: str) -> ConversionError:
    return ConversionError(
        f"{quote(text)} has {quote(what)} next to its number, which may change it; select the number "
        "with the field's key `re`"
    )
