"""Rows, the goals and floors that they are held against, the table and the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One figure beside its limit, both measured in this run."""

    name: str
    value: float
    unit: str
    limit: float | None
    limit_name: str
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The value as a share of the limit."""
        return self.value / self.limit if self.limit else None


@dataclass(frozen=True)
class Bar:
    """What a row should reach: of its value or of its ratio, at least or at most."""

    bound: float
    of_ratio: bool
    at_most: bool

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.bound:g}{' x' if self.of_ratio else ''}"

    def is_met(self, row: Row) -> bool:
        """Whether the row reaches it."""
        measured = row.ratio if self.of_ratio else row.value
        if measured is None:
            return False
        return measured <= self.bound if self.at_most else measured >= self.bound


def _ratio(bound: float) -> Bar:
    return Bar(bound, of_ratio=True, at_most=False)


def _at_least(bound: float) -> Bar:
    return Bar(bound, of_ratio=False, at_most=False)


def _at_most(bound: float) -> Bar:
    return Bar(bound, of_ratio=False, at_most=True)


FLOORS = {
    "accept_single": _ratio(0.2),
    "accept_batch": _ratio(0.3),
    "deliver_webhook": _at_least(3000),
    "graphql_page": _at_least(2500),
    "latency_p99_ms": _at_most(30),
    "sql_per_event": _at_most(4),
    "idle_rss_mb": _at_most(120),
}
GOALS = {
    "accept_single": _ratio(0.3),
    "accept_batch": _ratio(0.6),
    "deliver_webhook": _ratio(0.5),
    "inbound_accept": _ratio(0.3),
    "graphql_page": _ratio(0.15),
    "latency_p50_ms": Bar(3, of_ratio=True, at_most=True),
    "latency_p99_ms": _at_most(15),
    "sql_per_event": _at_most(4),
    "idle_rss_mb": _at_most(100),
    "start_s": _at_most(3),
}


def print_table(rows: list[Row], settings: Mapping[str, object]) -> None:
    """Print one table, and under it how it was measured."""
    print(
        f"\n{'row':<20}{'value':>11} {'unit':<12}{'limit':>11}{'ratio':>8}  {'floor':<16}{'goal':<16}limit is"
    )
    for row in rows:
        limit = f"{row.limit:>11,.2f}" if row.limit is not None else f"{'-':>11}"
        ratio = f"{row.ratio:>8.2f}" if row.ratio is not None else f"{'-':>8}"
        print(
            f"{row.name:<20}{row.value:>11,.2f} {row.unit:<12}{limit}{ratio}"
            f"  {_verdict(FLOORS, row):<16}{_verdict(GOALS, row):<16}{row.limit_name}"
        )
    for row in rows:
        if row.note:
            print(f"  {row.name}: {row.note}")
    for name, value in settings.items():
        print(f"  {name} = {value}")


def write_results(rows: list[Row], settings: Mapping[str, object]) -> Path:
    """Write the newest figures; the file before is replaced."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    figures = {
        row.name: {"value": row.value, "unit": row.unit, "limit": row.limit, "ratio": row.ratio}
        for row in rows
    }
    path.write_text(json.dumps({"rows": figures, "settings": dict(settings)}, indent=2) + "\n")
    return path


def _verdict(bars: Mapping[str, Bar], row: Row) -> str:
    bar = bars.get(row.name)
    if bar is None:
        return "-"
    return f"{bar} {'yes' if bar.is_met(row) else 'NO'}"
