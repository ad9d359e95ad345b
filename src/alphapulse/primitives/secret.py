"""A value that must not be printed, compared, hashed by content or pickled."""

from typing import Generic, NoReturn, TypeVar

__all__ = ["Secret"]

_MASK = "***"

T = TypeVar("T")


class Secret(Generic[T]):
    """Holds a value that only `reveal` gives back; every text form of it is three stars."""

    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        self.__value = value

    def reveal(self) -> T:
        """Return the value; call it where they are used, and keep no copy."""
        return self.__value

    def __repr__(self) -> str:
        return _MASK

    def __str__(self) -> str:
        return _MASK

    def __format__(self, format_spec: str) -> str:
        return _MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
