"""Transforms a field's texts in order, before they are converted. Pure."""

from collections.abc import Callable, Iterable

from contract.fields import AnyTransform, SimpleTransform, Transform
from contract.outcome import Reason
from extraction.errors import BadRecipe, ExtractionError

MAX_TEXTS = 100_000  #: maximum number of texts of one field that `split` may produce
MAX_CHARACTERS = 8 * 1024 * 1024  #: maximum length of one text that `replace` or `join` may produce
_SIMPLE: dict[SimpleTransform, Callable[[str], str]] = {
    SimpleTransform.STRIP: str.strip,
    SimpleTransform.NORMALISE_SPACE: lambda text: " ".join(text.split()),
    SimpleTransform.LOWER: str.lower,
    SimpleTransform.UPPER: str.upper,
}


def transform(texts: Iterable[str], transforms: tuple[AnyTransform, ...]) -> list[str]:
    """Return the transformed texts.

    Raises:
        ExtractionError: `too_large`, if the texts have more than `MAX_CHARACTERS` characters together.
        BadRecipe: if there would be more than `MAX_TEXTS` texts, or a text longer than `MAX_CHARACTERS`.
    """
    result = _collect(texts)
    for each in transforms:
        result = _apply(each, result)
    return result


def _collect(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list, and count them meanwhile: nested elements repeat the text inside them."""
    result, characters = [], 0
    for text in texts:
        characters += len(text)
        if characters > MAX_CHARACTERS:
            raise ExtractionError(
                Reason.TOO_LARGE, f"the texts of a field have more than {MAX_CHARACTERS} characters together"
            )
        result.append(text)
    return result


def _apply(each: SimpleTransform | Transform, texts: list[str]) -> list[str]:
    if isinstance(each, SimpleTransform):
        return [_SIMPLE[each](text) for text in texts]
    if each.split is not None:
        _check_bound(sum(text.count(each.split) + 1 for text in texts), MAX_TEXTS, "texts")
        return [part for text in texts for part in text.split(each.split)]
    if each.join is not None:
        length = sum(len(text) + len(each.join) for text in texts)
        _check_bound(length, MAX_CHARACTERS, "characters")
        return [each.join.join(texts)] if length else []
    for old, new in (each.replace or {}).items():
        texts = [_replace(text, old, new) for text in texts]
    return texts


def _replace(text: str, old: str, new: str) -> str:
    _check_bound(len(text) + text.count(old) * (len(new) - len(old)), MAX_CHARACTERS, "characters")
    return text.replace(old, new)


def _check_bound(number: int, maximum: int, unit: str) -> None:
    if number > maximum:
        raise BadRecipe(f"the transforms make {number} {unit}; the maximum is {maximum}")
