"""An HTTP client for untrusted URLs: it checks addresses, limits time and size, and ignores the environment.

The client does not depend on the rest of the scraper. Each error has a kind
(`guarded_http.errors.FetchErrorKind`), and each caller decides how to treat that kind.
"""
