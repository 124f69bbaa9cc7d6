"""The numbers that `/metrics` shows, all named here; counting costs a dictionary look-up, no lock, no allocation.

Each process has its own `Metrics`, in a registry that holds nothing else. Prometheus' library only writes them
out; its own counters take a lock for each step.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from outrider.core import log

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_SIZES: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)

Labels = tuple[str, ...]


class _Labelled:
    """What the three kinds share: a name, a help text, and the names of the labels."""

    def __init__(self, name: str, help_text: str, label_names: Labels) -> None:
        self.name, self.help_text, self.label_names = name, help_text, label_names

    def _check(self, labels: Labels) -> None:
        if len(labels) != len(self.label_names):
            raise ValueError(f"{self.name} takes the labels {self.label_names}, not {labels}")


class Counter(_Labelled):
    """A number that only grows."""

    def __init__(self, name: str, help_text: str, *label_names: str) -> None:
        super().__init__(name, help_text, label_names)
        self._values: dict[Labels, float] = {} if label_names else {(): 0}

    def add(self, *labels: str, by: float = 1) -> None:
        """Count once more, or `by` as often, under the values of the labels."""
        values = self._values
        try:
            values[labels] += by
        except KeyError:
            self._check(labels)
            values[labels] = by

    def value(self, *labels: str) -> float:
        """Tell how far it has counted."""
        return self._values.get(labels, 0)

    def family(self) -> Metric:
        family = CounterMetricFamily(self.name, self.help_text, labels=self.label_names)
        for labels, value in list(self._values.items()):
            family.add_metric(labels, value)
        return family


class Gauge(_Labelled):
    """A number that is what it was last set to."""

    def __init__(self, name: str, help_text: str, *label_names: str) -> None:
        super().__init__(name, help_text, label_names)
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """Say what the number is now."""
        if labels not in self._values:
            self._check(labels)
        self._values[labels] = value

    def value(self, *labels: str) -> float:
        """Tell what it was last set to."""
        return self._values.get(labels, 0)

    def family(self) -> Metric:
        family = GaugeMetricFamily(self.name, self.help_text, labels=self.label_names)
        for labels, value in list(self._values.items()):
            family.add_metric(labels, value)
        return family


class Histogram(_Labelled):
    """How often values fell into which range."""

    def __init__(self, name: str, help_text: str, bounds: tuple[float, ...], *label_names: str) -> None:
        super().__init__(name, help_text, label_names)
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count a value in its range."""
        try:
            self._counts[labels][bisect_left(self._bounds, value)] += 1
            self._sums[labels] += value
        except KeyError:
            self._check(labels)
            self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
            self.observe(value, *labels)

    def count(self, *labels: str) -> int:
        """Tell how many values there were."""
        return sum(self._counts.get(labels, ()))

    def family(self) -> Metric:
        family = HistogramMetricFamily(self.name, self.help_text, labels=self.label_names)
        for labels, counts in list(self._counts.items()):
            family.add_metric(labels, list(self._cumulated(counts)), self._sums[labels])
        return family

    def _cumulated(self, counts: Iterable[int]) -> Iterator[tuple[str, float]]:
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
            total += count
            yield bound, total


class Metrics(Collector):
    """All metrics of this process."""

    def __init__(self) -> None:
        self.events_appended_total = Counter("outrider_events_appended", "Events committed to the log.")
        self.append_batch_size = Histogram(
            "outrider_append_batch_size", "Facts written by one commit of the appender.", _BATCH_SIZES
        )
        self.append_seconds = Histogram(
            "outrider_append_seconds", "Time of one call and commit of the appender.", _SECONDS
        )
        self.append_refused_total = Counter(
            "outrider_append_refused", "Facts that were refused before they were written.", "reason"
        )
        self.append_queue_depth = Gauge("outrider_append_queue_depth", "Facts that wait for a commit.")
        self.deliveries_total = Counter(
            "outrider_deliveries",
            "Attempts to deliver, by kind (message, webhook) and outcome.",
            "kind",
            "outcome",
        )
        self.delivery_seconds = Histogram(
            "outrider_delivery_seconds", "Time of one attempt to deliver.", _SECONDS, "kind"
        )
        self.deliveries_in_flight = Gauge("outrider_deliveries_in_flight", "Attempts under way.")
        self.queue_depth = Gauge("outrider_queue_depth", "Deliveries that are not finished.")
        self.queue_age_seconds = Gauge(
            "outrider_queue_age_seconds", "Age of the oldest delivery that is due."
        )
        self.shards_owned = Gauge(
            "outrider_shards_owned", "Shards of the delivery queue leased to this process."
        )
        self.inbound_total = Counter(
            "outrider_inbound", "Inbound webhooks, by platform and outcome.", "platform", "outcome"
        )
        self.receipts_unmatched_total = Counter(
            "outrider_receipts_unmatched", "Receipts let go after waiting 30 days for a message of ours."
        )
        self.http_requests_total = Counter(
            "outrider_http_requests", "Requests answered, by surface and status.", "surface", "status"
        )
        self.http_request_seconds = Histogram(
            "outrider_http_request_seconds", "Time to answer a request.", _SECONDS, "surface"
        )
        self.feeds_open = Gauge("outrider_feeds_open", "Live feeds that clients have open.")
        self.feed_events_total = Counter("outrider_feed_events", "Events given to live feeds.")
        self.sqlcalls_total = Counter(
            "outrider_sqlcalls", "Top-level calls to PostgreSQL, by purpose.", "purpose"
        )
        self.log_lines_dropped = Gauge(
            "outrider_log_lines_dropped", "Log lines lost because nobody read them."
        )
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterable[Metric]:
        """Give every metric to Prometheus' library."""
        self.log_lines_dropped.set(log.dropped_lines())
        for metric in vars(self).values():
            if isinstance(metric, Counter | Gauge | Histogram):
                yield metric.family()

    def render(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self._registry)
