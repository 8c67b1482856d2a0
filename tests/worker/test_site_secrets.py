"""Tests where secrets may be sent, and that their values are found in whatever a site repeats."""

import html
import json
import re
import string
from base64 import b64encode
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.site_secrets import SecretRefused, SiteSecret, SiteSecrets

VALUE = "s3cr3t/+&\"'<>\\ value=="
VISIBLE = string.ascii_letters + string.digits + string.punctuation
values = st.builds(
    "{}{}{}".format,
    st.sampled_from(VISIBLE),
    st.text(VISIBLE + " ", min_size=8, max_size=60),
    st.sampled_from(VISIBLE),
)
surroundings = st.text(string.ascii_letters + " /?&=:'\"", max_size=20)
escapes = st.sampled_from(
    [
        str,
        quote,
        quote_plus,
        lambda value: quote(value, safe=""),
        lambda value: quote(quote(value, safe=""), safe=""),
        lambda value: "".join(f"%{ord(character):02x}" for character in value),
        lambda value: json.dumps(value)[1:-1],
        lambda value: "".join(f"\\u{ord(character):04X}" for character in value),
        html.escape,
        lambda value: "".join(f"&#{ord(character)};" for character in value),
        lambda value: b64encode(value.encode()).decode(),
        lambda value: f"{value!r}",
    ]
)


def secrets_of(value: str, *origins: str) -> SiteSecrets:
    """Return secrets of which one, TOKEN, has this value."""
    return SiteSecrets(SiteSecret("TOKEN", value, origins))


@given(value=values, before=surroundings, after=surroundings, escape=escapes)
@example(value="a000000'\"a", before="", after="", escape=repr)
def test_no_form_of_a_value_stays_in_a_detail(value: str, before: str, after: str, escape: object) -> None:
    """A value is hidden however a URL, JSON, HTML or Basic authentication writes it."""
    assert callable(escape)
    written = escape(value)
    hidden = secrets_of(value).hide_in_detail(f"{before}{written}{after}")
    assert "[secret TOKEN]" in hidden
    for text in (hidden, unquote(hidden), html.unescape(hidden)):
        assert value not in text
    assert written.strip("'") not in hidden


def test_link_with_the_name_of_a_secret_contains_it() -> None:
    """In a page that repeats a secret, links have its name instead; they would lead nowhere."""
    secrets = secrets_of(VALUE)
    page = secrets.hide_in_body(f"<a href='/next?key={quote(VALUE, safe='')}'>".encode()).decode()
    assert secrets.contains_any(page)
    assert secrets.contains_any("https://shop.example/next?key=[secret%20TOKEN]")


@given(value=values, before=surroundings, cut=st.integers(4, 60), escape=escapes)
def test_beginning_of_a_value_is_hidden_at_a_cut(value: str, before: str, cut: int, escape: object) -> None:
    """If a text was cut within a value, the beginning of the value is hidden as well."""
    assert callable(escape)
    shown = value[:cut]
    if b64encode(value.encode()).decode() == escape(value):
        return  # a cut Basic authentication is not recognised
    for end in ("", "'", "…", '"'):
        hidden = secrets_of(value).hide_in_detail(f"{before}{escape(shown).strip(chr(39))}{end}")
        assert shown not in hidden.replace("[secret TOKEN]", "")


@given(value=values, before=surroundings, number=st.integers(10**8, 10**12))
def test_value_is_hidden_in_items(value: str, before: str, number: int) -> None:
    """A value is hidden in all strings and numbers of the items, which stay JSON."""
    items = [{"a": [f"{before}{value}"], "b": {"c": quote(value)}, "d": None, "e": True, "f": number}]
    written = json.dumps(items, ensure_ascii=False, separators=(",", ":"))
    hidden = json.loads(secrets_of(value).hide_in_items(written))
    assert hidden[0]["a"] == [f"{before}[secret TOKEN]"] or value in before + "[secret TOKEN]"
    assert hidden[0]["b"]["c"] == "[secret TOKEN]"
    assert (hidden[0]["d"], hidden[0]["e"], hidden[0]["f"]) == (None, True, number)
    in_numbers = json.loads(secrets_of(str(number)).hide_in_items(written))
    assert in_numbers[0]["f"] == "[secret TOKEN]"


def test_value_is_hidden_in_the_bytes_of_a_page() -> None:
    """A value is hidden in a page, escaped or not, and a page without it is the same object."""
    secrets = secrets_of(VALUE)
    forms = [VALUE, quote(VALUE), html.escape(VALUE), json.dumps(VALUE)[1:-1]]
    page = secrets.hide_in_body("é|".join(forms).encode())
    assert page.decode() == "é|".join(["[secret TOKEN]"] * 4)
    other = b"<h1>no secret</h1>"
    assert secrets.hide_in_body(other) is other


def test_texts_without_a_value_are_not_changed() -> None:
    """Texts that do not contain a value are returned unchanged."""
    secrets = secrets_of(VALUE)
    assert secrets.hide_in_detail("the site answered 404 for https://a.example/?q=s3c") == (
        "the site answered 404 for https://a.example/?q=s3c"
    )
    assert secrets.hide_in_items('[{"a":1.50}]') == '[{"a":1.50}]'
    assert not secrets.contains_any("https://a.example/?q=value")
    assert secrets.contains_any(f"https://a.example/?q={quote(VALUE, safe='')}")


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://api.shop.example", True),
        ("http://api.shop.example", False),
        ("https://api.shop.example:8443", False),
        ("https://shop.example", False),
        ("https://evil-api.shop.example.evil.example", False),
        ("https://a.b.other.example", True),
        ("https://other.example", False),
        ("https://evilother.example", False),
        ("http://a.other.example", False),
        ("http://10.0.0.7:8000", True),
        ("http://10.0.0.7", False),
    ],
)
def test_secret_is_sent_to_its_origins_only(origin: str, is_allowed: bool) -> None:
    """A name means https at port 443, `*.` the names below it, and a URL exactly one origin."""
    setting = "TOKEN=api.shop.example, *.other.example, http://10.0.0.7:8000/;"
    secrets = SiteSecrets.read(setting, {"SECRET_TOKEN": VALUE})
    if is_allowed:
        assert secrets.insert("Bearer {secret:TOKEN}", origin) == f"Bearer {VALUE}"
        return
    with pytest.raises(SecretRefused, match="the secret TOKEN must not be sent to") as refused:
        secrets.insert("Bearer {secret:TOKEN}", origin)
    assert VALUE not in str(refused.value)


def test_unknown_secret_is_named() -> None:
    """A secret that the worker does not have is named in the error, and other texts are not changed."""
    secrets = secrets_of(VALUE, "https://a.example")
    with pytest.raises(SecretRefused, match="this worker has no secret OTHER"):
        secrets.insert("{secret:OTHER}", "https://a.example")
    assert secrets.insert('{"a": "{b}"}', "https://b.example") == '{"a": "{b}"}'


@pytest.mark.parametrize(
    ("setting", "value", "fault"),
    [
        ("TOKEN=a.example", "", "SECRET_TOKEN is not set"),
        ("TOKEN=a.example", "short", "SECRET_TOKEN has 5 characters; it must have 8 to 4096"),
        ("TOKEN=a.example", "x" * 4097, "SECRET_TOKEN has 4097 characters"),
        ("TOKEN=a.example", "hunter2hunter2\n", "SECRET_TOKEN has a character that is not visible ASCII"),
        ("TOKEN=a.example", "hunter2\r\nX: y", "SECRET_TOKEN has a character that is not visible ASCII"),
        ("TOKEN=a.example", "hunter2é", "SECRET_TOKEN has a character that is not visible ASCII"),
        ("TOKEN", "hunter2hunter2", "'TOKEN' is not NAME=origin,origin"),
        ("token=a.example", "hunter2hunter2", "'token=a.example' is not NAME=origin,origin"),
        ("TOKEN=", "hunter2hunter2", "TOKEN: '' is not a host or an origin"),
        ("TOKEN=https://a.example/path", "hunter2hunter2", "https://a.example would be one"),
        ("TOKEN=a.example; TOKEN=b.example", "hunter2hunter2", "TOKEN is named twice"),
    ],
)
def test_invalid_setting_is_rejected_without_the_value(setting: str, value: str, fault: str) -> None:
    """Every fault of FETCH_SECRETS and of a value is described without the value."""
    with pytest.raises(ValueError, match=re.escape(fault)) as rejected:
        SiteSecrets.read(setting, {"SECRET_TOKEN": value})
    assert "hunter2" not in str(rejected.value)


def test_representations_do_not_show_the_value() -> None:
    """The `repr` of a secret and of all secrets does not have the value."""
    secret = SiteSecret("TOKEN", VALUE, ())
    assert VALUE not in repr(secret) + repr(SiteSecrets(secret)) + str(vars(SiteSecrets(secret))["_secrets"])
