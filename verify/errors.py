"""What can go wrong with a request, told in one line."""


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
