"""XML that is not quite well-formed is read as far as it can be understood."""

import pytest

from extraction.xml import parse_xml

ITEM = "<a><url><loc>https://shop.example/?a=1&amp;b=2</loc></url></a>"


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        f"<?xml version='1.0'?>{ITEM}",
        f"<br />\n<b>Warning</b>: failed in x.php\n<?xml version='1.0'?>\n{ITEM}",
        f"Warning: failed in x.php\n{ITEM}",
        f"\ufeff\ufeff<?xml version='1.0'?>{ITEM}",
        f"<?xml version='1.0'?>{ITEM}<script>a()</script>",
        ITEM.replace("&amp;", "&"),
        ITEM.replace("</loc>", "</loc><image:image><image:loc>x</image:loc></image:image>"),
        ITEM.replace("</url>", "<b>&nbsp;</b><![CDATA[<?xml?>]]></url>"),
    ],
)
def test_xml_is_read_in_spite_of_errors_around_it(text: str) -> None:
    """Text before the declaration or after the end, stray ampersands and prefixes do not matter."""
    assert [loc.text for loc in parse_xml(text).iter("loc")] == ["https://shop.example/?a=1&b=2"]
