"""Telemetry: counters and times of the service, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["CONTENT_TYPE", "Telemetry"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Telemetry:
    """What one service counts; several in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "crossbit_requests",
            "Answered requests.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "crossbit_request_seconds",
            "Time from a request to its answer.",
            ("route",),
            registry=self.registry,
            buckets=SECONDS,
        )
        self.active = Gauge("crossbit_requests_active", "Requests at work.", registry=self.registry)
        self.batches = Histogram(
            "crossbit_batch_size",
            "Items answered by one call, of the kernel or the model.",
            ("kind",),
            registry=self.registry,
            buckets=SIZES,
        )
        self.items = Gauge(
            "crossbit_index_items", "Items of the index.", ("view",), registry=self.registry
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """Return everything as text."""
        return generate_latest(self.registry)
