"""One request and its answer, as they are measured whatever the interface."""

from time import perf_counter

from exporters.instrument.http.labels import error_name
from exporters.instrument.http.measures import Kind

# What `error_type` says of an answer that never came to its end, beside names of exceptions and status codes.
CLIENT_DISCONNECTED = "client_disconnected"
INCOMPLETE = "incomplete_response"
_SERVER_ERROR = 500


class Exchange:
    """From the request's arrival to the last byte of its answer; what comes after that is not its time."""

    __slots__ = (
        "_kind",
        "_seconds",
        "_started",
        "complete",
        "disconnected",
        "error",
        "received",
        "recorded",
        "route",
        "sent",
        "status",
    )

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._seconds: float | None = None
        self.route = ""
        self.status: int | None = None
        self.error: BaseException | None = None
        self.received = self.sent = 0
        self.complete = self.disconnected = self.recorded = False
        kind.began()
        self._started = perf_counter()

    def end(self) -> None:
        """The answer has been handed over whole."""
        if self._seconds is not None:
            return
        self._stop()
        self.complete = True
        # Whether an exception was behind a server error is known only when it comes out of the application.
        if self.status is not None and self.status < _SERVER_ERROR:
            self._record(self.status, "")

    def close(self) -> None:
        """The application is done with it, be it by an exception, before the answer's end or long after it."""
        if self._seconds is None:
            self._stop()
        if not self.recorded:
            self._record(*self._outcome())
        # Its traceback holds the frame that holds this.
        self.error = None

    def _outcome(self) -> tuple[int | None, str]:
        """The status that the client got, if any, and the kind of error."""
        status, error = self.status, self.error
        if self.disconnected and not self.complete:
            return status, CLIENT_DISCONNECTED
        if error is not None:
            # Servers answer 500 for the application, but not when it was told to stop.
            if status is None and isinstance(error, Exception):
                status = _SERVER_ERROR
            return status, error_name(error)
        if status is None:
            return _SERVER_ERROR, str(_SERVER_ERROR)
        if status >= _SERVER_ERROR:
            return status, str(status)
        return status, "" if self.complete else INCOMPLETE

    def _stop(self) -> None:
        self._seconds = perf_counter() - self._started
        self._kind.ended()

    def _record(self, status: int | None, error: str) -> None:
        self.recorded = True
        outcome = (self.route, "" if status is None else status, error)
        self._kind.record(outcome, self._seconds or 0.0, self.received, self.sent)
