"""Types of the fields that users set."""

from typing import Annotated

from pydantic import BeforeValidator, Field

LARGEST_DIMENSION = 10**15


def _integer(value: object) -> object:
    """Accept 1e8 where an integer is wanted, as users write dimensions so."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


Count = Annotated[int, BeforeValidator(_integer)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
