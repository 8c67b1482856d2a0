"""The source `template`: the URLs that a URL with braces stands for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from contract.url_template import UrlTemplate
from dispatcher.sources.source import FoundUrl


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

    def read(self) -> Iterator[FoundUrl]:
        """Yield the URLs in the order of the template."""
        return map(FoundUrl, UrlTemplate(self.address))
