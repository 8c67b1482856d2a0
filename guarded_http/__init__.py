"""Sends HTTP requests to untrusted URLs: checks their addresses, and limits time and size.

The client uses no proxies of the environment and no passwords of .netrc. It does not depend on the rest of
the scraper. Each error has a kind (`guarded_http.errors.FetchErrorKind`), and each caller decides how to
treat that kind.
"""
