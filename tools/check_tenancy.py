"""Fails when a statement could reach another tenant's rows: the wall that can be checked without running anything.

Every statement over a tenant table lives in a `queries` file and binds each such table: it compares the table's
`application_id` or `organisation_id` with `$1`, or with the same column of a table that is bound; what it inserts
carries `$1` there; and the call passes the tenant's id first. What must cross tenants lives in `cross_tenant.py`,
each statement with its reason. The tables are those of the migrations that have such a column.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.walls import OWN_ID, TENANT_COLUMNS, Tables, judge

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "outrider"
MIGRATIONS = SOURCE / "core" / "database" / "migrations"
SCAN = "scan"


def tenant_tables(migrations: Path = MIGRATIONS) -> dict[str, frozenset[str]]:
    """Give every tenant table of the migrations with its tenant columns."""
    tables: dict[str, frozenset[str]] = {}
    for file in sorted(migrations.glob("*.sql")):
        for match in re.finditer(
            r"create table (?:if not exists )?(\w+) \((.*?)\n\)", file.read_text(), re.IGNORECASE | re.DOTALL
        ):
            name = match[1].lower()
            columns = set(re.findall(r"^\s*(\w+)\s", match[2].lower(), re.MULTILINE)) & TENANT_COLUMNS
            if name in OWN_ID:
                columns.add(OWN_ID[name])
            if columns:
                tables[name] = frozenset(columns)
    return tables


# Python files: where statements stand, and how they are called.


def tenant_functions(tables: Tables, migrations: Path = MIGRATIONS) -> frozenset[str]:
    """Give the functions of the migrations whose body names a tenant table."""
    source = "\n".join(file.read_text() for file in sorted(migrations.glob("*.sql")))
    functions = re.finditer(
        r"create (?:or replace )?function (\w+)\(.*?\$\$(.*?)\$\$", source, re.IGNORECASE | re.DOTALL
    )
    return frozenset(match[1].lower() for match in functions if _names_a_table(match[2], tables))


@dataclass(frozen=True)
class Finding:
    """One violation, where an editor finds it."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_file(file: Path, tables: Tables, functions: frozenset[str]) -> list[Finding]:
    """Judge every statement of a Python file by the kind of file that it is."""
    try:
        module = ast.parse(file.read_text())
    except SyntaxError as error:
        return [Finding(file, error.lineno or 1, f"cannot be read: {error.msg}")]
    statements = [
        (node, sql)
        for node, sql in _strings(module)
        if _names_a_table(sql, tables) or _called(sql, functions)
    ]
    if file.name == "cross_tenant.py":
        return [Finding(file, line, message) for line, message in _without_reason(module, statements, file)]
    if file.name.startswith("queries") or file.parent.name == "queries":
        findings = [
            Finding(file, node.lineno, f"this statement {problem}")
            for node, sql in statements
            if (problem := judge(sql, tables).problem or _badly_called(sql, functions))
        ]
        others = [*_wrong_calls(module, statements), *_named_by_holes(module), *_open_walls(module, tables)]
        return findings + [Finding(file, line, message) for line, message in others]
    return [
        Finding(file, node.lineno, "SQL over tenant tables belongs in queries.py or cross_tenant.py")
        for node, sql in statements
        if re.match(
            r"\s*(select|insert\s+into|update|delete\s+from|with|merge|truncate|copy)\b", sql, re.IGNORECASE
        )
    ]


def _strings(module: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Give every string that is no docstring, an f-string as one with its holes filled by a name."""
    parts = {id(part) for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for part in node.values}
    parts |= {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            pieces = (part.value if isinstance(part, ast.Constant) else " hole " for part in node.values)
            yield node, "".join(str(piece) for piece in pieces)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node, node.value


def _names_a_table(sql: str, tables: Tables) -> bool:
    names = "|".join(tables)
    pattern = rf"\b(from|join|into|update|using|table|partition of|truncate|copy)\s+(only\s+)?({names})\b"
    return re.search(pattern, sql, re.IGNORECASE) is not None


# The read compiler puts statements together. One function of it may name a table, from a table of walls.


def _named_by_holes(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Find statements that leave a table's name open, outside the one function that may."""
    scans = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == SCAN]
    allowed = {id(node) for scan in scans for node in ast.walk(scan)}
    for node, sql in _strings(module):
        if re.search(r"\b(from|join|into|update|using)\s+hole\b", sql) and id(node) not in allowed:
            yield (
                node.lineno,
                f"only {SCAN}() may name a table; an inner query stands in brackets: from ({{…}})",
            )


def _open_walls(module: ast.Module, tables: Tables) -> Iterator[tuple[int, str]]:
    """Find entries of the table of walls that do not tie their table to the tenant."""
    if not any(isinstance(node, ast.FunctionDef) and node.name == SCAN for node in ast.walk(module)):
        return
    words = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.AnnAssign) and isinstance(target := node.target, ast.Name)
    }
    walls = [node for node in ast.walk(module) if isinstance(node, ast.Dict)]
    entries = [pair for node in walls for pair in zip(node.keys, node.values, strict=True)]
    for key, value in entries:
        wall = words.get(value.id) if isinstance(value, ast.Name) else value
        if isinstance(key, ast.Constant) and key.value in tables and isinstance(wall, ast.Constant):
            condition = str(wall.value).replace("{alias}", "x").replace("{organisation}", "$1")
            if problem := judge(f"select 1 from {key.value} x where {condition}", tables).problem:
                yield key.lineno, f"this wall {problem}"


def _called(sql: str, functions: frozenset[str]) -> list[str]:
    """Give the first argument of every call of these functions."""
    return [
        match[2] for match in re.finditer(r"\b(\w+)\s*\(\s*([^\s,):]*)", sql.lower()) if match[1] in functions
    ]


def _badly_called(sql: str, functions: frozenset[str]) -> str | None:
    is_bad = any(first != "$1" for first in _called(sql, functions))
    return "calls a function over tenant tables without the tenant as $1" if is_bad else None


def _constants(module: ast.Module, statements: list[tuple[ast.expr, str]]) -> dict[str, ast.stmt]:
    """Give the module's constants that hold a statement."""
    nodes = {id(node) for node, _ in statements}
    found: dict[str, ast.stmt] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name) and any(id(node) in nodes for node in ast.walk(statement.value)):
                found[target.id] = statement
    return found


def _wrong_calls(module: ast.Module, statements: list[tuple[ast.expr, str]]) -> Iterator[tuple[int, str]]:
    """Find calls that pass something else than the tenant's id as a statement's first argument."""
    names = _constants(module, statements)
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        at = next(
            (n for n, arg in enumerate(call.args) if isinstance(arg, ast.Name) and arg.id in names), None
        )
        if at is None or not isinstance(call.func, ast.Attribute):
            continue
        first = call.args[at + 1] if at + 1 < len(call.args) else None
        if not _is_tenant_id(first):
            yield call.lineno, f"{ast.unparse(call.func)} must pass application_id or organisation_id first"


def _is_tenant_id(argument: ast.expr | None) -> bool:
    match argument:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith(tuple(TENANT_COLUMNS))
        case _:
            return False


def _without_reason(
    module: ast.Module, statements: list[tuple[ast.expr, str]], file: Path
) -> Iterator[tuple[int, str]]:
    """Find statements of cross_tenant.py without a comment above them or a docstring on the function they serve."""
    if not ast.get_docstring(module):
        yield 1, "say in the docstring why these statements cross tenants"
    lines = file.read_text().splitlines()
    constants = _constants(module, statements)
    explained = {
        name.id
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(function)
        for name in ast.walk(function)
        if isinstance(name, ast.Name)
    }
    for name, statement in constants.items():
        if name not in explained and not lines[statement.lineno - 2].startswith("#"):
            yield statement.lineno, f"{name} crosses tenants without a reason"


def main() -> None:
    """Check all of the source, or the files that are named."""
    tables = tenant_tables()
    functions = tenant_functions(tables)
    files = [Path(name) for name in sys.argv[1:]] or sorted(SOURCE.rglob("*.py"))
    findings = [finding for file in files for finding in check_file(file, tables, functions)]
    for finding in findings:
        print(finding)
    if not tables:
        sys.exit(f"No tenant table found in {MIGRATIONS}: the check would see nothing.")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
