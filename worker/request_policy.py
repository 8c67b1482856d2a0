"""Prepares the requests of jobs: inserts secrets, and refuses what the settings do not allow. Pure."""

import json
from dataclasses import dataclass

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from contract.request import PageRequest, is_cookie_value, is_header_value
from contract.urls import check_url, origin_of
from guarded_http.request import HttpRequest, Proxy
from worker.site_secrets import NO_SECRETS, SecretRefused, SiteSecrets


@dataclass(frozen=True)
class RequestPolicy:
    """What jobs may send besides a plain GET.

    Attributes:
        secrets: the secrets that jobs may name.
        proxies: the proxies that jobs may name, as `http://host`, with a port that is not 80.
    """

    secrets: SiteSecrets = NO_SECRETS
    proxies: frozenset[str] = frozenset()

    def prepare(self, request: PageRequest, url: str) -> HttpRequest:
        """Return the request of a job, with the values of its secrets.

        Args:
            request: the request as its crawl describes it.
            url: the URL of the job.

        Raises:
            AttemptFailed: `request_refused`, if the request names a secret or a proxy that it must not use;
                the detail has no value of a secret.
        """
        try:
            return self._prepare(request, origin_of(url))
        except SecretRefused as error:
            raise AttemptFailed(Reason.REQUEST_REFUSED, str(error)) from None

    def _prepare(self, request: PageRequest, origin: str) -> HttpRequest:
        headers = {name: self.secrets.insert(value, origin) for name, value in request.headers.items()}
        cookies = {name: self.secrets.insert(value, origin) for name, value in request.cookies.items()}
        for kind, values, is_valid in (
            ("header field", headers, is_header_value),
            ("cookie", cookies, is_cookie_value),
        ):
            for name, value in values.items():
                if not is_valid(value):
                    raise SecretRefused(
                        f"with its secrets, the {kind} {name} has characters that it cannot have"
                    )
        body: bytes | None = None
        if isinstance(request.body, str):
            body = self.secrets.insert(request.body, origin).encode()
        elif request.body is not None:
            body = json.dumps(self._insert_into(request.body, origin), ensure_ascii=False).encode()
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
        return HttpRequest(
            method=request.method,
            headers=tuple(headers.items()),
            cookies=tuple(cookies.items()),
            body=body,
            user_agent=request.user_agent or "",
            proxy=self._proxy(request.proxy) if request.proxy else None,
        )

    def _insert_into(self, value: object, origin: str) -> object:
        if isinstance(value, str):
            return self.secrets.insert(value, origin)
        if isinstance(value, dict):
            return {key: self._insert_into(inner, origin) for key, inner in value.items()}
        return [self._insert_into(inner, origin) for inner in value] if isinstance(value, list) else value

    def _proxy(self, proxy: str) -> Proxy:
        reference, has_credentials, rest = proxy.removeprefix("http://").rpartition("@")
        url = f"http://{rest}"
        if url not in self.proxies:
            raise SecretRefused(f"the proxy {url} is not one of this worker's (FETCH_PROXIES)")
        return Proxy(url, self.secrets.insert(reference, url) if has_credentials else "")

    def hide_secrets(self, record: OutcomeRecord) -> OutcomeRecord:
        """Return the record of an attempt without the values of secrets, whatever the site has repeated."""
        hide = self.secrets.hide_in_detail
        return record.model_copy(
            update={
                "detail": hide(record.detail),
                "final_url": hide(record.final_url),
                "next_url": hide(record.next_url),
                "items": self.secrets.hide_in_items(record.items),
            }
        )


PLAIN_REQUESTS = RequestPolicy()  #: a policy without secrets and proxies


def parse_proxies(text: str) -> frozenset[str]:
    """Return the proxies in a comma-separated list of `http://host:port`.

    Raises:
        ValueError: if an entry is no such URL; the message does not repeat it, since it may have a password.
    """
    proxies = set[str]()
    for number, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        try:
            url = check_url(entry)
        except ValueError as error:
            raise ValueError(f"proxy {number} of the list: {error}") from None
        if origin_of(url) != url.removesuffix("/") or not url.startswith("http://"):
            raise ValueError(f"proxy {number} of the list must be http://host:port")
        proxies.add(origin_of(url))
    return frozenset(proxies)
