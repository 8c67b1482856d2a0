"""An HTTP client for URLs from outside: checked addresses, bounded time and size, no environment.

It knows nothing of scraping: errors have kinds of their own (`guarded_http.errors.FetchErrorKind`), and each
caller decides what a kind means to it.
"""
