import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from outrider.core.metrics import Counter, Gauge, Histogram, Metrics


def samples_of(metrics: Metrics) -> dict[str, float]:
    return {
        sample.name
        + "".join(f",{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_what_was_counted_is_shown() -> None:
    metrics = Metrics()

    metrics.events_appended_total.add(by=3)
    metrics.deliveries_total.add("webhook", "sent")
    metrics.deliveries_total.add("webhook", "sent")
    metrics.deliveries_total.add("message", "deferred")
    metrics.queue_depth.set(17)

    shown = samples_of(metrics)
    assert shown["outrider_events_appended_total"] == 3
    assert shown["outrider_deliveries_total,kind=webhook,outcome=sent"] == 2
    assert shown["outrider_deliveries_total,kind=message,outcome=deferred"] == 1
    assert shown["outrider_queue_depth"] == 17
    assert metrics.deliveries_total.value("webhook", "sent") == 2
    assert metrics.deliveries_total.value("webhook", "failed") == 0


def test_a_histogram_counts_into_cumulated_ranges() -> None:
    metrics = Metrics()

    for size in (1, 2, 3, 500, 501):
        metrics.append_batch_size.observe(size)

    shown = samples_of(metrics)
    assert shown["outrider_append_batch_size_bucket,le=1.0"] == 1
    assert shown["outrider_append_batch_size_bucket,le=2.0"] == 2
    assert shown["outrider_append_batch_size_bucket,le=5.0"] == 3
    assert shown["outrider_append_batch_size_bucket,le=500.0"] == 4
    assert shown["outrider_append_batch_size_bucket,le=+Inf"] == 5
    assert shown["outrider_append_batch_size_count"] == 5
    assert shown["outrider_append_batch_size_sum"] == 1007
    assert metrics.append_batch_size.count() == 5


def test_a_counter_without_labels_is_shown_before_it_counts() -> None:
    assert samples_of(Metrics())["outrider_events_appended_total"] == 0


def test_values_of_labels_are_escaped() -> None:
    metrics = Metrics()

    metrics.http_requests_total.add('a"b\nc\\d', "200")

    assert samples_of(metrics)['outrider_http_requests_total,status=200,surface=a"b\nc\\d'] == 1


def test_two_processes_in_one_interpreter_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()

    one.events_appended_total.add()

    assert other.events_appended_total.value() == 0


def test_the_process_itself_is_shown() -> None:
    assert samples_of(Metrics())["process_resident_memory_bytes"] > 1_000_000


def test_every_metric_has_a_name_of_ours_and_a_help_text() -> None:
    every = [m for m in vars(Metrics()).values() if isinstance(m, Counter | Gauge | Histogram)]

    assert len({metric.name for metric in every}) == len(every) > 10
    assert all(re.fullmatch(r"outrider_[a-z_]+", metric.name) and metric.help_text for metric in every)


def test_a_wrong_number_of_labels_is_a_mistake() -> None:
    metrics = Metrics()

    with pytest.raises(ValueError, match="takes the labels"):
        metrics.deliveries_total.add("webhook")
    with pytest.raises(ValueError, match="takes the labels"):
        metrics.queue_depth.set(1, "x")
    with pytest.raises(ValueError, match="takes the labels"):
        metrics.delivery_seconds.observe(1)
