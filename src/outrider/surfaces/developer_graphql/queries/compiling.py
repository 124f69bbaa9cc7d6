"""What every part of the compiler needs while one operation is compiled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from graphql import GraphQLObjectType, GraphQLSchema

from outrider.core.errors import ValidationError
from outrider.surfaces.developer_graphql.arguments import Given, Operand, given_arguments, operand, value_of
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.texts import Sql, Text, joined
from outrider.surfaces.developer_graphql.selections import Selected, Selecting
from outrider.tenancy.actors import Scope

if TYPE_CHECKING:
    from graphql.execution.values import VariableValues

LARGEST_PAGE: Final = 200
MOST_VALUES: Final = 100_000
# How many entries a list without pages is thought to have when the cost of a document is weighed.
USUAL_LENGTH: Final = 10

Emit = Callable[["Compiling", str, Selected], Text]
Fields = Mapping[str, Emit]


@dataclass(slots=True)
class Compiling:
    """One operation being compiled: its statement grows, its scopes gather, its cost adds up."""

    schema: GraphQLSchema
    selecting: Selecting
    fields: Mapping[str, Fields]
    public_url: str
    is_created: bool = False
    statement: Statement = field(default_factory=Statement)
    scopes: dict[Scope, str] = field(default_factory=dict[Scope, str])
    cost: int = 0
    weight: int = 1

    @property
    def variables(self) -> "VariableValues":
        """The variables of the request for which the plan is made."""
        return self.selecting.variables

    def enter(self, key: str) -> None:
        """Begin with a top-level field."""
        self.statement.key = key
        self.weight = 1

    def require(self, scope: Scope) -> None:
        """Note that only a key with this scope may have the answer, and which field first needs it."""
        self.scopes.setdefault(scope, self.statement.key)

    def arguments(self, parent: str, selected: Selected) -> dict[str, Given]:
        """Give the arguments of a field."""
        definition = self.type_named(parent).fields[selected.name]
        return given_arguments(definition, selected.nodes[0], self.variables)

    def type_named(self, name: str) -> GraphQLObjectType:
        """Give an object type of the schema."""
        return cast("GraphQLObjectType", self.schema.type_map[name])

    def selected(self, selected: Selected) -> list[Selected]:
        """Give what is selected of a field."""
        return self.selecting.fields(selected.selection_sets)

    def written(self, type_name: str, alias: str, selected: Selected) -> Text:
        """Write a row as the JSON object that is selected of it."""
        emits = self.fields[type_name]
        text: Text = ["{"]
        for number, inner in enumerate(self.selected(selected)):
            self.spend(1)
            text.append(f'{"," if number else ""}"{inner.key}":')
            if inner.name == "__typename":
                text.append(f'"{type_name}"')
            else:
                text += emits[inner.name](self, alias, inner)
        return [*text, "}"]

    def one(self, type_name: str, table: str, condition: str, selected: Selected) -> Text:
        """Write the row that a condition finds, `{row}` standing for it, or null."""
        row = self.statement.alias(table[0])
        body = joined(self.written(type_name, row, selected))
        scan = self.statement.scan(table, row, condition.replace("{row}", row))
        return [Sql(f"coalesce((select {body} {scan}), 'null')")]

    def many(
        self,
        type_name: str,
        table: str,
        condition: str,
        selected: Selected,
        *,
        order: str,
        first: Operand | None = None,
    ) -> Text:
        """Write the rows that a condition finds as a list."""
        row = self.statement.alias(table[0])
        with_weight, self.weight = self.weight, self.weight * USUAL_LENGTH
        body = joined(self.written(type_name, row, selected))
        self.weight = with_weight
        scan = self.statement.scan(table, row, condition.replace("{row}", row))
        limit = f" limit {self.statement.value(first, 'bigint', page_size)}" if first else ""
        listed = f"array(select {body} {scan} order by {order.replace('{row}', row)}{limit})"
        return ["[", Sql(f"array_to_string({listed}, ',')"), "]"]

    def constant(self, source: Operand) -> object:
        """Give a value that the plan itself depends on."""
        return value_of(source, self.variables.coerced)

    def first(self, parent: str, selected: Selected) -> Operand | None:
        """Give the argument that says how many."""
        return operand(self.arguments(parent, selected), "first")

    def spend(self, values: int) -> None:
        """Count values that the answer may hold; raises `ValidationError` when they are too many."""
        self.cost += values * self.weight
        if self.cost > MOST_VALUES:
            raise ValidationError(
                f"The document asks for more than {MOST_VALUES} values: ask for smaller pages or fewer fields."
            )


def page_size(value: object, name: str = "first") -> int:
    """Check how many entries were asked for."""
    size = cast("int", value)
    if not 1 <= size <= LARGEST_PAGE:
        raise ValidationError(f"{name} must lie between 1 and {LARGEST_PAGE}, not {size}.", path=name)
    return size
