"""One alert whole: found by its name, described from what was written and what was planned, shown as text or JSON."""

from generator.explain.describe import describe
from generator.explain.description import Explanation
from generator.explain.selection import Known, Selected, likely, select
from generator.explain.show import as_json, as_text

__all__ = ["Explanation", "Known", "Selected", "as_json", "as_text", "describe", "likely", "select"]
