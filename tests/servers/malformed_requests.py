"""The heads of requests that gunicorn refuses, or reads in another way than a plain push."""

BODY = b"0\r\n\r\n"  # also the last chunk of a chunked body
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
LINE = b"POST / HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
#: The head of a plain push, without the empty line that ends it.
HEAD = LINE + HOST + b"authorization:Bearer a.b.c \r\nContent-Type: application/json\r\n" + LENGTH

#: Heads that gunicorn refuses, by what is wrong with them.
MALFORMED_HEADS = {
    "length and chunked": LINE + HOST + LENGTH + b"Transfer-Encoding: chunked\r\n",
    "chunked and length": LINE + HOST + b"Transfer-Encoding: chunked\r\n" + LENGTH,
    "unknown transfer coding": LINE + HOST + b"Transfer-Encoding: xchunked\r\n",
    "chunked twice": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n",
    "identity only": LINE + HOST + LENGTH + b"Transfer-Encoding: identity\r\n",
    "control character in a transfer coding": LINE + HOST + LENGTH + b"Transfer-Encoding: \x0bchunked\r\n",
    "space before the colon": LINE + HOST + LENGTH + b"Transfer-Encoding : chunked\r\n",
    "two lengths": LINE + HOST + LENGTH + b"Content-Length: 0\r\n",
    "the same length twice": LINE + HOST + LENGTH + LENGTH.lower(),
    "list of lengths": LINE + HOST + b"Content-Length: 5, 5\r\n",
    "length with a sign": LINE + HOST + b"Content-Length: +5\r\n",
    "negative length": LINE + HOST + b"Content-Length: -5\r\n",
    "length in hexadecimal": LINE + HOST + b"Content-Length: 0x5\r\n",
    "length with an underscore": LINE + HOST + b"Content-Length: 0_5\r\n",
    "length with a superscript digit": LINE + HOST + b"Content-Length: \xb2\r\n",
    "empty length": LINE + HOST + b"Content-Length:\r\n",
    "two hosts": LINE + HOST + b"Host: evil.example\r\n" + LENGTH,
    "the same host twice": LINE + HOST + HOST + LENGTH,
    "bare LF after the request line": b"POST / HTTP/1.1\n" + HOST + LENGTH,
    "bare LF after a field": LINE + b"Host: 127.0.0.1\n" + LENGTH,
    "bare LF in a value": LINE + HOST + b"X: a\nTransfer-Encoding: chunked\r\n" + LENGTH,
    "bare CR in a value": LINE + HOST + b"X: a\rb\r\n" + LENGTH,
    "folded field": LINE + HOST + b"X: a\r\n b\r\n" + LENGTH,
    "folded first field": LINE + b" X: a\r\n" + HOST + LENGTH,
    "NUL in a value": LINE + HOST + b"X: a\0b\r\n" + LENGTH,
    "NUL in a name": LINE + HOST + b"X\0: a\r\n" + LENGTH,
    "DEL in a value": LINE + HOST + b"X: \x7f\r\n" + LENGTH,
    "empty name": LINE + HOST + b": a\r\n" + LENGTH,
    "no colon": LINE + HOST + b"X\r\n" + LENGTH,
    "name with a space": LINE + HOST + b"X Y: a\r\n" + LENGTH,
    "name with a parenthesis": LINE + HOST + b"X(: a\r\n" + LENGTH,
    "name beyond ASCII": LINE + HOST + b"X\xe9: a\r\n" + LENGTH,
    "another expectation": LINE + HOST + b"Expect: 200-ok\r\n" + LENGTH,
    "contradicting schemes": LINE + HOST + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n" + LENGTH,
    "HTTP/0.9": b"POST /\r\n" + HOST + LENGTH,
    "HTTP/2.0": b"POST / HTTP/2.0\r\n" + HOST + LENGTH,
    "method in lower case": b"post / HTTP/1.1\r\n" + HOST + LENGTH,
    "two spaces": b"POST  / HTTP/1.1\r\n" + HOST + LENGTH,
    "tab in the request line": b"POST\t/ HTTP/1.1\r\n" + HOST + LENGTH,
    "space after the version": b"POST / HTTP/1.1 \r\n" + HOST + LENGTH,
    "path beyond ASCII": b"POST /\xe9 HTTP/1.1\r\n" + HOST + LENGTH,
}

#: Heads that gunicorn accepts, but which are read or answered in another way, or may be.
OTHER_REQUESTS = {
    "chunked": LINE + HOST + b"Transfer-Encoding: chunked\r\n",
    "no length": LINE + HOST,
    "HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + LENGTH,
    "empty line first": b"\r\n" + LINE + HOST + LENGTH,
    "absolute URL": b"POST http://127.0.0.1/ HTTP/1.1\r\n" + HOST + LENGTH,
    "query": b"POST /?a HTTP/1.1\r\n" + HOST + LENGTH,
    "another method": b"PUT / HTTP/1.1\r\n" + HOST + LENGTH,
    "another path": b"POST /healthz HTTP/1.1\r\n" + HOST + LENGTH,
    "connection closes": LINE + HOST + b"Connection: close\r\n" + LENGTH,
    "expects 100": LINE + HOST + b"Expect: 100-continue\r\n" + LENGTH,
    "upgrade": LINE + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH,
    "repeated field": LINE + HOST + b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n" + LENGTH,
    "underscore in a name": LINE + HOST + b"X_Y: a\r\n" + LENGTH,
    "value beyond ASCII": LINE + HOST + b"X: \xe9\r\n" + LENGTH,
}
