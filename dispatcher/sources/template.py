"""The source `template`: the URLs that a URL with braces stands for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from contract.shard import Position, TemplatePosition
from contract.url_template import UrlTemplate
from dispatcher.sources.source import Checkpoint, Found, FoundUrl

CHECKPOINT_URLS = 1_000  #: number of URLs between two checkpoints


@dataclass(frozen=True)
class TemplateSource:
    """One template of `sources.template`.

    Attributes:
        name: the path of the field.
        address: the template.
        is_lazy: True: the URLs beyond the limit are not made.
    """

    name: str
    address: str
    is_lazy: bool = True

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield the URLs in the order of the template, with checkpoints."""
        first = start.index if isinstance(start, TemplatePosition) else 0
        for index, url in enumerate(islice(UrlTemplate(self.address), first, None), first):
            if index > first and index % CHECKPOINT_URLS == 0:
                yield Checkpoint(TemplatePosition(index=index))
            yield FoundUrl(url)
