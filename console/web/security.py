"""Decides which requests the operator's page serves, and sets the headers of its responses.

The page can stop runs and publish jobs, so it must not be used by other pages that are open in the operator's
browser, nor by other machines:

- Host and Origin are checked (`push_endpoint/request_origin.py`), which stops DNS rebinding and requests
  across origins.
- A POST needs the token of its session. The session's cookie is signed, and other sites cannot send it.
- If the page is reachable from other machines, a browser must present the console's token first, or a proxy
  has checked who the user is (`Behind`).
- The responses have a Content-Security-Policy that runs no script but the two files that are served here.
"""

import hmac
import secrets
from typing import Final

import flask
from flask import Response, request, session

from console.web.iap import IAP_HEADER, IapAuthenticator, make_iap_authenticator
from console.web.options import Behind, ConsoleOptions
from push_endpoint.errors import AuthenticationError
from push_endpoint.request_origin import request_refusal

MAX_BODY_BYTES: Final = 2 * 1024 * 1024  #: of every request, unless a route allows more
CSRF_FIELD: Final = "csrf_token"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Other sites get no address of the console. With no-referrer a browser would send `Origin: null` with the
    # console's own forms: https://fetch.spec.whatwg.org/#append-a-request-origin-header
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
#: Endpoints that need no token: the sign-in itself, its style, and the health check.
_PUBLIC: Final = frozenset({"sign_in", "static", "charts_css", "healthz"})
#: Endpoints that take larger bodies: a saved page and a recipe.
_LARGE_BODIES: Final = {"lab.try_recipe": 6 * 1024 * 1024}


def secure(app: flask.Flask, options: ConsoleOptions) -> None:
    """Check each request before its route is called, and set the headers of each response."""
    app.config.update(
        SECRET_KEY=options.secret,
        SESSION_COOKIE_NAME=f"scrapeq_console_{options.port}",  # cookies are shared by all ports of a host
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=options.behind is Behind.IAP,  # browsers reach it by https only
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        MAX_FORM_PARTS=5_000,
    )

    authenticate = make_iap_authenticator(options)

    def check() -> flask.typing.ResponseReturnValue | None:
        why = request_refusal(request.headers, options.allowed_hosts, "--allow-host")
        if why:
            flask.abort(403, why)
        flask.g.operator = _user(authenticate)
        request.max_content_length = _LARGE_BODIES.get(request.endpoint or "", MAX_BODY_BYTES)
        request.max_form_memory_size = request.max_content_length
        if options.token and request.endpoint not in _PUBLIC and not session.get("signed_in"):
            if request.method != "GET":
                flask.abort(401, "sign in first")
            return flask.redirect(flask.url_for("sign_in"))
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            _check_act(options)
        return None

    def set_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static":
            response.headers["Cache-Control"] = "no-cache"
        return response

    app.before_request(check)
    app.after_request(set_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token


def csrf_token() -> str:
    """Return the token that the forms of this session must send."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def is_token(given: str, options: ConsoleOptions) -> bool:
    """Return whether a text is the console's token; the duration does not depend on the text."""
    return bool(options.token) and hmac.compare_digest(given.encode(), options.token.encode())


def _user(authenticate: IapAuthenticator | None) -> str:
    """Return the user whom the proxy names; `""` if there is no such proxy."""
    if authenticate is None or request.endpoint == "healthz":
        return ""
    try:
        return authenticate(request.headers.get(IAP_HEADER, ""))
    except AuthenticationError as error:
        flask.abort(401, f"no valid assertion of the Identity-Aware Proxy: {error}")


def _check_act(options: ConsoleOptions) -> None:
    if options.read_only and request.endpoint != "sign_in":
        flask.abort(403, "this console is read-only: it was started with --read-only")
    expected, given = session.get("csrf", ""), request.form.get(CSRF_FIELD, "")
    if not expected or not hmac.compare_digest(given.encode(), str(expected).encode()):
        flask.abort(
            403, "the form's token is missing or of another session: go back, reload the page, and try again"
        )
