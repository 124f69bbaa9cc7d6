"""What a template is parsed into. Whitespace control changes contents and indents in place, once."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Strip:
    """Which ends of a tag have a tilde."""

    open: bool = False
    close: bool = False


NO_STRIP = Strip()


@dataclass(frozen=True, slots=True)
class Path:
    """`a.b`, `../a`, `@index`: how many levels up, then which keys. `original` is what was written."""

    parts: tuple[str, ...]
    original: str
    offset: int
    depth: int = 0
    is_data: bool = False
    is_scoped: bool = False
    """It says `this` or `./`: the context itself is meant, no helper and no block parameter."""

    @property
    def is_simple(self) -> bool:
        """Whether it may be the name of a helper."""
        return len(self.parts) == 1 and not self.is_scoped and self.depth == 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number or truth that stands in the template."""

    value: object
    original: str
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """A name with what follows it: a value, or a helper with its arguments."""

    target: Path
    offset: int
    params: "tuple[Expression, ...]" = ()
    hash: "tuple[tuple[str, Expression], ...]" = ()

    @property
    def has_arguments(self) -> bool:
        """Whether anything follows the name."""
        return bool(self.params or self.hash)


Expression = Path | Literal | Call


@dataclass(slots=True)
class Content:
    """Text between tags; `value` is what whitespace control leaves of it."""

    original: str
    value: str = ""
    is_left_stripped: bool = False
    is_right_stripped: bool = False

    def __post_init__(self) -> None:
        self.value = self.original


@dataclass(slots=True)
class Mustache:
    """`{{a}}` and `{{{a}}}`."""

    call: Call
    is_escaped: bool
    strip: Strip


@dataclass(slots=True)
class Comment:
    """Nothing but its whitespace."""

    strip: Strip


@dataclass(slots=True)
class Partial:
    """`{{> name}}`; standing alone on its line it has an indent."""

    name: "Path | Literal | Call"
    params: tuple[Expression, ...]
    hash: tuple[tuple[str, Expression], ...]
    strip: Strip
    offset: int
    indent: str = ""


@dataclass(slots=True)
class Program:
    """A sequence of statements: a template, or one side of a block."""

    body: "list[Statement]" = field(default_factory=list["Statement"])
    block_params: tuple[str, ...] = ()
    is_chained: bool = False
    """It is what `{{else if}}` makes: one block and nothing else."""


@dataclass(slots=True)
class Block:
    """`{{#a}} … {{else}} … {{/a}}`; one of the sides may be missing, not both."""

    call: Call
    program: Program | None
    inverse: Program | None
    open_strip: Strip
    inverse_strip: Strip
    close_strip: Strip


@dataclass(slots=True)
class InlinePartial:
    """`{{#*inline "name"}} … {{/inline}}`."""

    call: Call
    program: Program
    open_strip: Strip
    close_strip: Strip


@dataclass(slots=True)
class PartialBlock:
    """`{{#> name}} … {{/name}}`."""

    partial: Partial
    program: Program
    open_strip: Strip
    close_strip: Strip


Statement = Content | Mustache | Comment | Partial | Block | InlinePartial | PartialBlock
