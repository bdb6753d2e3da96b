"""Keeps user names, passwords and internals of stores out of whatever is shown or kept."""

import re

# A password may have any character but a space: all up to the last @ is dropped.
_USER = re.compile(r"""://(?:[^\s:/@'"]*:[^\s'"]*|[^\s/'"]*)@""")
_OPTION = re.compile(r"""(?i)([?&](?:user|username|password|passwd|sslpassword|token|secret)=)[^&\s'"]*""")
_OWN = re.compile(r"\s*(\[(SQL|parameters): .*?\](?=\s*\n|\s*$)|\(Background on this error at: \S+\))", re.DOTALL)


def redact(text: str) -> str:
    """The text with ``***`` in place of what a URI in it has before the host, and of secrets among its options."""
    return _OPTION.sub(r"\1***", _USER.sub("://***@", text))


def told(error: Exception) -> str:
    """What a store's error says: redacted, without SQLAlchemy's statement, its values and the link to its own pages."""
    return redact(_OWN.sub("", str(error)).strip())


def has_secrets(uri: str) -> bool:
    """Whether a URI has any."""
    return redact(uri) != uri
