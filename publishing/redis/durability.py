"""Checks that a Redis keeps what it has confirmed, with the settings that it reports about itself. Pure.

- With `appendfsync always` a reply is sent after the command is on the disk:
  https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/#how-durable-is-the-append-only-file
- With another `maxmemory-policy` than `noeviction` Redis may delete keys, which here are whole topics:
  https://redis.io/docs/latest/develop/reference/eviction/
"""

from typing import Any

#: The commands whose replies `unsuitable` reads.
QUESTIONS = (("INFO",), ("CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy"))
#: What a Redis must report so that it keeps each message that it has confirmed.
NEEDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
MIN_VERSION = (7, 0)  #: older ones lack `CONFIG GET` with several names
REMEDY = (
    "set appendonly yes, appendfsync always and maxmemory-policy noeviction in redis.conf, or add"
    " ?accept_loss=true to BROKER_URL if messages may be lost"
)


def unsuitable(replies: list[Any], *, accepts_loss: bool) -> str:
    """Return why a Redis cannot carry messages, and how to mend it; `""` if it can.

    Args:
        replies: the replies to `QUESTIONS`, with exceptions in the place of errors.
        accepts_loss: whether the operator accepts that messages may be lost.
    """
    info, settings = replies
    if isinstance(info, Exception):
        return (
            f"cannot be checked ({info}); give the user of BROKER_URL the permissions +info and +config|get"
        )
    facts = read_info(info)
    version = facts.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < MIN_VERSION:
        return f"has the version {version}; 7.0 or later is needed"
    if facts.get("cluster_enabled") == "1":
        return "is a node of a Redis Cluster, whose nodes share out the topics; name a single Redis"
    if facts.get("role") == "slave":
        return "is a replica, which takes no messages; BROKER_URL must name the primary"
    risks = loss_risks(settings)
    if not risks or accepts_loss:
        return ""
    return f"may lose messages that it has confirmed: {', '.join(risks)}; {REMEDY}"


def loss_risks(settings: Any) -> list[str]:  # noqa: ANN401 - a reply of Redis, or an exception
    """Return what lets a Redis lose messages that it has confirmed; nothing if it keeps them.

    Args:
        settings: the reply to `CONFIG GET`, or the exception in its place.
    """
    if isinstance(settings, Exception):
        return [f"its settings cannot be read ({settings}), which needs the permission +config|get"]
    found = dict(zip(*[(_text(each) for each in settings)] * 2, strict=True))
    return [
        f"{name} is {found.get(name, 'unknown')}"
        for name, needed in NEEDED.items()
        if found.get(name) != needed
    ]


def read_info(info: bytes) -> dict[str, str]:
    """Return the fields of a reply to `INFO`."""
    lines = (line.partition(":") for line in _text(info).splitlines())
    return {name: value for name, colon, value in lines if colon}


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
