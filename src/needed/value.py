"""The decorator that makes a noun: a frozen, slotted dataclass that costs start-up nearly nothing.

`dataclasses` takes longer to import than this project takes to resolve two programs, since it brings `inspect`, and
`ast` and `dis` with it. A noun here needs four of its features only: an initialiser, equality, a hash and a
representation. To a type checker `value` is `dataclass(frozen=True, slots=True)`.

What it deliberately does not do: inheritance, `field()`, ordering, `__post_init__`.
"""

from __future__ import annotations

from _operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_: object) -> Callable[[T], T]:
        return lambda decorator: decorator

    FunctionType = type(dataclass_transform)  # what `types` calls it

_COMPILED: dict[int, CodeType] = {}


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """The class again, with slots for its annotated fields, frozen, comparable, hashable and printable."""
    fields = tuple(cls.__annotations__)
    namespace = {name: item for name, item in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: namespace.pop(name) for name in fields if name in namespace}
    namespace |= {
        "__slots__": fields,
        "__match_args__": fields,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__repr__": _represent,
        "__eq__": _equal,
        "__hash__": _hash,
        "__reduce__": _reduce,
        "__replace__": replace,
    }
    kind: Any = type(cls)
    made = kind(cls.__name__, cls.__bases__, namespace)
    # A tuple in any case, also of one field: attrgetter of one name gives the bare value.
    made._values = property(attrgetter(*fields) if len(fields) > 1 else lambda self: (getattr(self, fields[0]),))
    made.__init__ = _initialiser(made, fields, defaults)
    return made  # type: ignore[no-any-return]


def replace(item: T, /, **changes: object) -> T:
    """The same value with some fields changed; what `copy.replace` calls from Python 3.13 on."""
    given: Any = item
    return type(given)(**(dict(zip(given.__slots__, given._values, strict=True)) | changes))  # type: ignore[no-any-return]


def _initialiser(made: Any, fields: tuple[str, ...], defaults: dict[str, object]) -> Callable[..., None]:
    # One compilation for each number of fields; renaming the parameters of what came out costs a tenth of another.
    count = len(fields)
    if count not in _COMPILED:
        names = [f"field{number}" for number in range(count)]
        body = "; ".join(f"set_{name}(self, {name})" for name in names)
        scope: dict[str, Any] = {}
        exec(f"def __init__(self, {', '.join(names)}): {body}", scope)  # noqa: S102  (nothing from outside in it)
        _COMPILED[count] = scope["__init__"].__code__
    code = _COMPILED[count].replace(co_varnames=("self", *fields))
    # The slots' own setters, since __setattr__ refuses; bound as globals, which is the quickest name to look up.
    setters = {f"set_field{number}": getattr(made, name).__set__ for number, name in enumerate(fields)}
    return FunctionType(code, setters, "__init__", tuple(defaults.values()))


def _refuse(self: object, name: str, _item: object = None) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: cannot change {name!r}")


def _represent(self: Any) -> str:
    pairs = ", ".join(f"{name}={item!r}" for name, item in zip(self.__slots__, self._values, strict=True))
    return f"{type(self).__name__}({pairs})"


def _equal(self: Any, other: Any) -> Any:
    return self._values == other._values if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._values)


def _reduce(self: Any) -> tuple[object, ...]:
    return type(self), self._values
