"""What a field does to its texts before they are read, in the order it says. Pure."""

from collections.abc import Callable, Iterable

from contract.fields import AnyTransform, SimpleTransform, Transform

MAX_TEXTS = 100_000  #: that `split` may make of one field's texts
MAX_CHARACTERS = 8 * 1024 * 1024  #: that `replace` and `join` may make of one text
_SIMPLE: dict[SimpleTransform, Callable[[str], str]] = {
    SimpleTransform.STRIP: str.strip,
    SimpleTransform.NORMALISE_SPACE: lambda text: " ".join(text.split()),
    SimpleTransform.LOWER: str.lower,
    SimpleTransform.UPPER: str.upper,
}


def transform(texts: Iterable[str], transforms: tuple[AnyTransform, ...]) -> list[str]:
    """Return the texts, transformed.

    Raises:
        ValueError: where they would become too many or too long.
    """
    result = list(texts)
    for each in transforms:
        result = _apply(each, result)
    return result


def _apply(each: SimpleTransform | Transform, texts: list[str]) -> list[str]:
    if isinstance(each, SimpleTransform):
        return [_SIMPLE[each](text) for text in texts]
    if each.split is not None:
        _bound(sum(text.count(each.split) + 1 for text in texts), MAX_TEXTS, "texts")
        return [part for text in texts for part in text.split(each.split)]
    if each.join is not None:
        length = sum(len(text) + len(each.join) for text in texts)
        return [each.join.join(texts)] if _bound(length, MAX_CHARACTERS, "characters") else []
    for old, new in (each.replace or {}).items():
        texts = [_replaced(text, old, new) for text in texts]
    return texts


def _replaced(text: str, old: str, new: str) -> str:
    _bound(len(text) + text.count(old) * (len(new) - len(old)), MAX_CHARACTERS, "characters")
    return text.replace(old, new)


def _bound(number: int, most: int, of: str) -> int:
    if number > most:
        raise ValueError(f"the transforms make {number} {of}; at most {most}")
    return number
