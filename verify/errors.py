"""What can go wrong with a request, told in one line."""

MOST_CHARACTERS = 1000


class RequestError(Exception):
    """A request that cannot be carried out; its message is the one line that the user reads.

    Examples:
        >>> raise RequestError.of("N", 0, "an integer from 1")
        Traceback (most recent call last):
        verify.errors.RequestError: N: 0 is not allowed (an integer from 1)
    """

    @classmethod
    def of(cls, field: str, value: object, allowed: str) -> "RequestError":
        """Name the field, its value and what is allowed."""
        text = repr(value) if isinstance(value, str) else str(value)
        return cls(f"{field}: {text} is not allowed ({allowed})")


def terminal_line(message: str) -> str:
    """A message as one line that a terminal only shows, whatever it quotes: no control characters, and not too long.

    Examples:
        >>> print(terminal_line("a name" + chr(10) + "with" + chr(27) + "[2J"))
        a name with\\x1b[2J
    """
    words = " ".join(message.splitlines())
    if len(words) > MOST_CHARACTERS:
        words = f"{words[: MOST_CHARACTERS // 2]} ... {words[-MOST_CHARACTERS // 2 :]}"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in words)
